"""A client admitted by address that arrives as a node; its twin is a Service that keeps addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.model import Case, Component
from flows.rules.policy_snat_source import RULE
from sensors.hubble.outcomes import Connection, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import Services
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_policy, with_traffic
from tests.kit.cases import case_of, with_facts, without

NODE = "172.30.0.11"


def from_outside(policy: str) -> Case:
    """ledger behind a NodePort, admitting office addresses; the packets come with a node's address."""
    case = case_of("orders-to-ledger")

    def by_address(thing: dict[str, Any]) -> None:
        thing["spec"]["ingress"] = [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]

    def from_node(each: Connection) -> Connection:
        return replace(each, source=Party(NODE, entities=("remote-node",)))

    services = case[Services]
    exposed = tuple(
        replace(each, type="NodePort", external_traffic_policy=policy) if each.name == "ledger" else each
        for each in services.services
    )
    ledger = next(each.destination for each in case[HubbleFlows].connections if each.drops)
    target = replace(case.target, pod=ledger.pod, namespace=ledger.namespace, to_host=None, to_port=None)
    changed = with_facts(case, replace(services, services=exposed))
    return replace(with_traffic(with_policy(changed, "baseline", by_address), from_node), target=target, derived={})


def test_speaks_of_the_policy_that_sees_the_node_and_offers_no_patch() -> None:
    finding = only(RULE, from_outside("Cluster"))

    assert finding.component == Component("NetworkPolicy", "finance", "baseline")
    assert finding.remedy is None
    assert "externalTrafficPolicy: Local" in finding.recommendation


def test_stays_silent_when_the_service_keeps_the_client_address() -> None:
    assert judged(RULE, from_outside("Local")) == []
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(from_outside("Cluster"), Policies)) == "Policies"
