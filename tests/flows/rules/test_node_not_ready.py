"""A node that is down: one recorded incident, and others as recordings altered (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.model import Case, Component
from flows.rules.node_not_ready import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import Services
from sensors.net_connect import Connects
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.rules.facts import altered, asks, doubts, healthy, judged, only
from tests.kit.cases import case_of, without

CASE = "planner-to-roster"
LAB2 = Component("Node", "", "lab2")


def node(case: Case, name: str, **fields: Any) -> Case:
    changed = (replace(each, **fields) if each.name == name else each for each in case[Nodes].nodes)
    return altered(case, Nodes, nodes=tuple(changed))


def gone(case: Case, name: str) -> Case:
    said = {"ready": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
    return node(case, name, **said)


def test_speaks_of_the_node_that_took_the_peer_and_the_dns_servers_with_it():
    finding = only(RULE, case_of(CASE))

    assert finding.cause == (
        "Node lab2 is not ready since 21:38:18 (NodeStatusUnknown): Service shifts/roster has no ready endpoint "
        "(roster-c748d5cf9-brpzp ran on it)"
    )
    assert (finding.component, finding.belief >= 0.95) == (LAB2, True)
    assert finding.hides >= {"service.no_ready_endpoints", "dns.coredns_down"}


def test_speaks_of_the_pod_s_own_node_when_nothing_of_the_pod_is_seen_to_work():
    case = without(gone(case_of("search-to-index"), "lab1"), HubbleFlows, Connects)

    finding = only(RULE, case)

    assert (finding.component, finding.belief >= 0.9) == (Component("Node", "", "lab1"), True)


def test_speaks_of_the_node_of_the_one_pod_in_question():
    case = without(gone(asks(case_of(CASE), "10.244.1.54", 8080), "lab2"), HubbleFlows, Connects)
    case = altered(case, Services, asked=ResolvedPeer(AskedKind.POD, "10.244.1.54", 8080, node="lab2"))

    assert only(RULE, case).belief >= 0.9


def test_stays_silent_about_a_node_that_was_not_ready_a_while_ago():
    assert judged(RULE, case_of("batch-new-worker")) == []


def test_stays_silent_about_a_node_that_hosts_nobody_of_the_complaint():
    case = altered(gone(healthy(), "lab2"), Nodes, peer_nodes=("lab1",))

    assert judged(RULE, case) == []


def test_stays_silent_while_the_service_has_other_endpoints():
    assert judged(RULE, gone(healthy(), "lab2")) == []


def test_stays_silent_about_a_node_that_only_lacks_its_network_plug_in():
    message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"

    assert judged(RULE, node(case_of(CASE), "lab2", ready="False", reason="KubeletNotReady", message=message)) == []


def test_stays_silent_as_root_cause_when_the_pod_s_traffic_is_carried_or_dropped_by_a_policy():
    assert only(RULE, gone(case_of("orders-to-ledger"), "lab1")).belief < 0.5
    assert only(RULE, gone(case_of("cart-to-coupons"), "lab1")).belief < 0.5


def test_stays_silent_about_backends_that_are_not_ready_on_a_good_node():
    assert judged(RULE, case_of("portal-to-profile")) == []


def test_cannot_tell_without_the_nodes():
    assert doubts(RULE, without(case_of(CASE), Nodes)) == "Nodes"


def test_speaks_of_a_node_that_went_away_with_endpoints_still_called_ready():
    (finding,) = RULE.of(case_of("97-node-gone-endpoint-stays"))

    assert finding.component.name == "n2"
    assert "every endpoint of Service cellar/cask is on it, though still called ready" in finding.cause
    assert finding.belief > 0.8
