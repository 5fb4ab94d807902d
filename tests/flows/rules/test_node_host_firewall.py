"""A node that refuses the pod: recorded drops towards a node, with the direction of a host policy (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component
from flows.rules.node_host_firewall import RULE
from sensors.hubble.outcomes import Connection, ConnectionOutcome, PolicyUse
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import altered, doubts, judged, only
from tests.kit.cases import case_of, without

CASE = "api-server-cannot-watch"


def at_the_node(case: Case, policies: tuple[PolicyUse, ...] = (), number: int = 133) -> Case:
    changed = (
        replace(
            each, policies=policies, drops=tuple(replace(one, direction="INGRESS", number=number) for one in each.drops)
        )
        for each in case[HubbleFlows].connections
    )
    return altered(case, HubbleFlows, connections=tuple(changed))


def test_speaks_of_drops_on_the_way_into_a_node():
    finding = only(RULE, at_the_node(case_of(CASE)))

    assert (finding.component, finding.belief >= 0.9) == (Component("Node", "", "lab1"), True)
    assert "refuses production/api-server-79fd8d4cc-jzc5m on TCP/6443" in finding.cause


def test_speaks_of_the_policy_where_the_datapath_names_it():
    named = PolicyUse("denied", "INGRESS", "CiliumClusterwideNetworkPolicy", "", "lock-nodes")

    finding = only(RULE, at_the_node(case_of(CASE), (named,), 181))

    assert finding.component == Component("CiliumClusterwideNetworkPolicy", "", "lock-nodes")


def swallowed(case: Case, *others: Connection) -> Case:
    """The API server's port at the node is silent; `others` are connections to other ports."""
    silent = (
        replace(
            each, outcome=ConnectionOutcome.UNANSWERED, drops=(), packets_dropped=0, dropped=0, opened=0, unanswered=9
        )
        for each in case[HubbleFlows].connections
    )
    return altered(case, HubbleFlows, connections=(*silent, *others))


def test_speaks_of_one_port_of_a_node_that_swallows_everything_while_another_answers():
    case = case_of(CASE)
    kubelet = replace(
        case[HubbleFlows].connections[0], port=10250, outcome=ConnectionOutcome.REFUSED, drops=(), packets_dropped=0
    )

    finding = only(RULE, swallowed(case, kubelet))

    assert finding.component == Component("Node", "", "lab1")
    assert 0.5 <= finding.belief < 0.9
    assert finding.cause.endswith("answers production/api-server-79fd8d4cc-jzc5m on other ports and swallows TCP/6443")


def test_stays_silent_about_a_node_that_answers_on_no_port():
    assert judged(RULE, swallowed(case_of(CASE))) == []


def test_stays_silent_about_the_pod_s_own_egress_policy():
    assert judged(RULE, case_of(CASE)) == []


def test_stays_silent_about_a_policy_that_keeps_the_peer_pod():
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_cannot_tell_without_hubble_flows():
    assert doubts(RULE, without(case_of(CASE), HubbleFlows)) == "HubbleFlows"


def test_speaks_of_the_only_policy_for_nodes_that_isolates_the_one_that_refuses():
    """A default deny names no policy: which one it is the objects tell."""
    (finding,) = judged(RULE, case_of("99-host-firewall"))

    assert str(finding.component) == "CiliumClusterwideNetworkPolicy node-lockdown"


def test_names_the_node_where_no_policy_of_its_own_was_read():
    (finding,) = judged(RULE, without(case_of("99-host-firewall"), Policies))

    assert finding.component.kind == "Node"
