"""Bad checksums of tunnelled packets: a recorded cross-node pair with kernel lines made for it (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.path_checksum import RULE
from sensors.dns_coredns_health import CoreDns
from sensors.k8s_nodes import Nodes
from sensors.kit.kernel_log import BadChecksums
from sensors.net_connect import Connects
from sensors.net_conntrack_usage import Conntrack
from tests.flows.rules.edits import classes, said, with_doors
from tests.flows.rules.facts import ALWAYS, altered, failed, healthy, resolving
from tests.kit.cases import with_facts, without

LAB1, LAB2 = "172.30.0.11", "172.30.0.12"
LINES = BadChecksums(LAB1, LAB2, 8472, 47)


def thrown_away(case: Case, at: int = 1, **fields: Any) -> Case:
    """The kernel log of one node (0 lab1, 1 lab2) tells of bad checksums."""
    tables = list(case[Conntrack].nodes)
    tables[at] = replace(tables[at], bad_checksums=(replace(LINES, **fields),))
    return altered(case, Conntrack, nodes=tuple(tables))


def broken() -> Case:
    return thrown_away(with_doors(healthy(), "timeout"))


def test_speaks_of_tunnelled_packets_thrown_away_between_the_two_nodes() -> None:
    (finding,) = said(RULE, broken())

    assert (finding.cause_class, finding.component) == ("path.checksum", Component("Node", "", "lab1"))
    assert finding.cause == "VXLAN packets from lab1 arrive at lab2 with a bad checksum and are dropped"
    assert finding.belief == pytest.approx(0.85)


def test_speaks_surely_where_the_log_has_a_clock() -> None:
    case = broken()
    (finding,) = said(RULE, thrown_away(case, newest=case.at - timedelta(seconds=30)))

    assert finding.belief >= 0.9


def test_speaks_of_answers_that_are_thrown_away_on_the_way_back() -> None:
    (finding,) = said(RULE, thrown_away(with_doors(healthy(), "timeout"), at=0, sender=LAB2, receiver=LAB1))

    assert finding.component == Component("Node", "", "lab2")


def test_speaks_of_a_door_that_opens_only_after_repeats() -> None:
    case = thrown_away(healthy())
    late = tuple(replace(each, ms=63_012.0) for each in case[Connects].doors)

    assert classes(RULE, altered(case, Connects, doors=late)) == ["path.checksum"]


def test_speaks_of_names_that_do_not_resolve_where_the_dns_server_is_on_the_other_node() -> None:
    case = resolving(thrown_away(healthy(), sender=LAB1, receiver=LAB2), failed(ALWAYS, "timeout", 5000.0))
    servers = _dns_on(case, "lab2")

    assert classes(RULE, servers) == ["path.checksum"]
    assert classes(RULE, _dns_on(case, "lab1")) == []


def _dns_on(case: Case, node: str) -> Case:
    return altered(case, CoreDns, pods=tuple(replace(each, node=node) for each in case[CoreDns].pods))


def test_stays_silent_where_everything_opens_at_once() -> None:
    assert classes(RULE, thrown_away(healthy())) == []


def test_stays_silent_about_other_udp_and_other_nodes() -> None:
    case = with_doors(healthy(), "timeout")

    assert classes(RULE, thrown_away(case, port=12287)) == []
    assert classes(RULE, thrown_away(case, sender="172.30.0.99")) == []


def test_stays_silent_where_the_peer_lives_on_the_pod_s_own_node() -> None:
    case = broken()
    near = replace(case[Nodes], target_node="lab2", peer_nodes=("lab2",))

    assert classes(RULE, with_facts(case, near)) == []


def test_stays_silent_as_root_cause_about_lines_of_long_ago() -> None:
    case = broken()
    (finding,) = said(RULE, thrown_away(case, newest=case.at - timedelta(days=2)))

    assert finding.belief < 0.5


@pytest.mark.parametrize("facts", [Conntrack, Nodes])
def test_cannot_tell_without_its_facts(facts: type) -> None:
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(broken(), facts))
