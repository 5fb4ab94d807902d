"""A connection table without room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.conntrack_full import RULE
from sensors.net_conntrack_usage import CiliumTables, Conntrack, NodeTables
from tests.flows.rules.edits import classes, said, strong
from tests.kit.cases import case_of, with_facts, without


def here(seen: Case) -> NodeTables:
    found = seen[Conntrack].here
    assert found is not None
    return found


def with_tables(name: str, **changes: object) -> Case:
    """Synthetic: the tables of the pod's own node with other figures."""
    seen = case_of(name)
    changed = replace(here(seen), **changes)  # type: ignore[arg-type]
    others = tuple(changed if each.hosts_target else each for each in seen[Conntrack].nodes)
    return with_facts(seen, replace(seen[Conntrack], nodes=others))


def test_speaks_when_the_kernel_says_that_the_table_is_full():
    (finding,) = said(RULE, case_of("edge-to-sessions"))

    assert finding.component == Component("Node", "", "lab1")
    assert finding.belief > 0.9
    assert "holds 262144 of 262144 entries; the kernel logged 'table full'" in finding.because


def test_speaks_of_cilium_s_own_map_when_insertions_fail():
    full = CiliumTables({"ct4_global": 0.99}, {"CT: Map insertion failed": 12})

    (finding,) = strong(RULE, with_tables("search-to-index", cilium=full))

    assert finding.cause == "Cilium's connection map on node lab1 is full (99%): new connections are dropped at random"


def test_stays_silent_on_old_drops_in_a_roomy_table():
    counters = {"drop": 4242, "insert_failed": 17}

    assert classes(RULE, with_tables("search-to-index", counters=counters)) == []


def test_stays_silent_when_the_full_table_is_not_the_one_the_pod_uses():
    """Under Cilium a pod that is not on the host network never enters the kernel's table."""
    tables = with_tables("search-to-index", count=262144, maximum=262144)

    assert strong(RULE, tables) == []
    assert classes(RULE, tables) == ["conntrack.full"]


@pytest.mark.parametrize("name", ["search-to-index", "fx-to-rates", "frontend-to-backend"])
def test_stays_silent_when_there_is_room(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_the_tables():
    with pytest.raises(Missing, match="Conntrack"):
        said(RULE, without(case_of("edge-to-sessions"), Conntrack))
