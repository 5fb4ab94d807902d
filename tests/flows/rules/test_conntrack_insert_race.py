"""Insertions that fail although there is room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.conntrack_insert_race import RULE
from sensors.hubble.outcomes import Drop
from sensors.hubble_capture_flows import HubbleFlows
from sensors.net_conntrack_usage import CiliumTables, Conntrack
from tests.flows.rules.edits import classes, said, with_connections
from tests.kit.cases import case_of, with_facts, without


def failing(number: int) -> Case:
    """Synthetic: the healthy connection with packets dropped for one reason."""
    drop = Drop(number, "CT_MAP_INSERTION_FAILED", "EGRESS", 3, 1, 100, 200)
    return with_connections(case_of("search-to-index"), lambda each: replace(each, drops=(drop,), packets_dropped=3))


def test_speaks_when_packets_find_no_place_in_a_table_with_room():
    (finding,) = said(RULE, failing(155))

    assert finding.component == Component("Node", "", "lab1")
    assert finding.cause == "3 packets of the pod found no place in the connection table of lab1, which has room"


def test_stays_silent_when_the_table_is_full():
    seen = failing(155)
    nodes = tuple(replace(each, cilium=CiliumTables({"ct4_global": 0.99}, {})) for each in seen[Conntrack].nodes)

    assert classes(RULE, with_facts(seen, replace(seen[Conntrack], nodes=nodes))) == []


def test_stays_silent_on_other_drops():
    assert classes(RULE, failing(133)) == []


@pytest.mark.parametrize("facts", [Conntrack, HubbleFlows])
def test_cannot_tell_without_the_tables_or_the_flows(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(failing(155), facts))
