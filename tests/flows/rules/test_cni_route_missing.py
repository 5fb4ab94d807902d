"""Packets that do not get to another node: a recorded cross-node connection with other outcomes (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component
from flows.rules.cni_route_missing import RULE
from sensors.hubble.outcomes import ConnectionOutcome, Drop
from sensors.hubble_capture_flows import HubbleFlows, SilentNode
from sensors.net_conntrack_usage import Conntrack
from tests.flows.rules.facts import altered, doubts, healthy, judged, only
from tests.kit.cases import case_of, without

LAB1 = Component("Node", "", "lab1")


def crossing(case: Case, **fields: Any) -> Case:
    """The connection to the peer on the other node, changed."""
    changed = (replace(each, **fields) if each.port == 8080 else each for each in case[HubbleFlows].connections)
    return altered(case, HubbleFlows, connections=tuple(changed))


def dropped(case: Case, number: int, **fields: Any) -> Case:
    drop = Drop(number, f"REASON_{number}", "EGRESS", 8, 3, 1, 2)
    gone = {"outcome": ConnectionOutcome.DROPPED, "opened": 0, "dropped": 3, "packets_dropped": 8, "drops": (drop,)}
    return crossing(case, **{**gone, "delivered": False, "points": (), **fields})


def lost(case: Case, point: str = "TO_OVERLAY") -> Case:
    return crossing(
        case, outcome=ConnectionOutcome.UNANSWERED, opened=0, unanswered=14, delivered=False, points=(point,)
    )


@pytest.mark.parametrize("number", [160, 169, 151])
def test_speaks_of_drops_for_want_of_a_way_to_a_pod_that_exists(number):
    finding = only(RULE, dropped(healthy(), number))

    assert (finding.cause_class, finding.component) == ("cni.route_missing", LAB1)
    assert finding.belief >= 0.7


def test_speaks_of_a_tunnel_that_swallows_everything():
    finding = only(RULE, lost(healthy()))

    assert (finding.cause_class, finding.component) == ("cni.overlay_blocked", LAB1)
    assert finding.belief >= 0.8


def test_speaks_less_surely_of_one_connection_that_once_opened_and_does_not_any_more():
    case = crossing(healthy(), outcome=ConnectionOutcome.UNANSWERED, unanswered=3)

    finding = only(RULE, case)

    assert finding.cause_class == "cni.overlay_blocked"
    assert 0.5 <= finding.belief < 0.8


def test_stays_silent_about_a_peer_that_gets_every_packet_and_does_not_answer():
    assert judged(RULE, crossing(healthy(), outcome=ConnectionOutcome.UNANSWERED, opened=0, unanswered=14)) == []


def test_speaks_of_a_missing_route_where_there_is_no_tunnel():
    assert only(RULE, lost(healthy(), "TO_NETWORK")).cause_class == "cni.route_missing"


def test_stays_silent_about_a_policy():
    assert judged(RULE, dropped(healthy(), 133)) == []
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_stays_silent_about_a_pod_that_is_gone():
    assert judged(RULE, dropped(healthy(), 151, stale_peer=True)) == []


def test_stays_silent_about_drops_that_ended_and_packets_that_are_only_too_large():
    assert judged(RULE, dropped(healthy(), 169, outcome=ConnectionOutcome.MIXED)) == []
    assert judged(RULE, case_of("gallery-to-media")) == []


def test_stays_silent_about_the_world_outside():
    assert judged(RULE, case_of("fx-to-rates")) == []


def test_stays_silent_when_the_other_node_does_not_report():
    case = altered(lost(healthy()), HubbleFlows, silent=(SilentNode("lab2", "NODE_UNAVAILABLE"),))

    assert judged(RULE, case) == []


def test_stays_silent_when_another_connection_gets_across():
    case = lost(healthy())
    dns = next(each for each in case[HubbleFlows].connections if each.port == 53)
    across = replace(dns, points=("TO_ENDPOINT", "TO_OVERLAY"))
    rest = tuple(each for each in case[HubbleFlows].connections if each.port != 53)

    assert judged(RULE, altered(case, HubbleFlows, connections=(across, *rest))) == []


def test_stays_silent_as_root_cause_when_a_connection_table_is_full():
    tables = case_of("edge-to-sessions")[Conntrack]

    assert only(RULE, altered(lost(healthy()), Conntrack, nodes=tables.nodes)).belief < 0.5


def test_cannot_tell_without_hubble_flows():
    assert doubts(RULE, without(healthy(), HubbleFlows)) == "HubbleFlows"
