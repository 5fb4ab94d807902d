"""The proxy refuses a request; its twin is the application's own 403."""

from __future__ import annotations

from dataclasses import replace

from flows.fixes.build import build
from flows.model import Case, Component
from flows.rules.policy_l7_denied import RULE
from sensors.hubble.outcomes import ConnectionOutcome, DnsOutcome, HttpOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of, with_facts, without

BY_METHOD = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNetworkPolicy",
    "metadata": {"name": "index-http", "namespace": "search"},
    "spec": {
        "endpointSelector": {"matchLabels": {"app": "index"}},
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"app": "search"}}],
                "toPorts": [
                    {
                        "ports": [{"port": "8080", "protocol": "TCP"}],
                        "rules": {"http": [{"method": "GET", "path": "/"}]},
                    }
                ],
            }
        ],
    },
}


def answered(verdict: str) -> Case:
    """search asks index for DELETE /all; the answer is 403 either way."""
    case = case_of("search-to-index")
    said = (HttpOutcome("DELETE", "/all", 403, verdict, 3),)
    flows = case[HubbleFlows]
    connections = tuple(
        replace(each, http=said, denied=3, outcome=ConnectionOutcome.DENIED) if each.port == 8080 else each
        for each in flows.connections
    )
    return with_objects(with_facts(case, replace(flows, connections=connections)), lambda _: None, BY_METHOD)


def test_speaks_of_the_policy_with_the_http_rules() -> None:
    finding = only(RULE, answered("DROPPED"))

    assert finding.component == Component("CiliumNetworkPolicy", "search", "index-http")
    assert finding.belief == 0.9
    assert finding.recommendation == "If it is meant, add DELETE /all to the HTTP rules."


def test_speaks_of_a_name_that_the_dns_proxy_refuses() -> None:
    case = case_of("sync-to-partner")
    refused = DnsOutcome("partners/sync", "cdn.example.net.", ("A",), 4, 0, 4, (("REFUSED", 4),), (), None, None)
    flows = replace(case[HubbleFlows], dns=(refused,))

    finding = only(RULE, with_facts(case, flows))

    assert finding.component == Component("CiliumNetworkPolicy", "partners", "sync-egress")
    assert finding.recommendation == "If it is meant, add matchName: cdn.example.net to the DNS rules."


def test_stays_silent_about_the_applications_own_403() -> None:
    assert judged(RULE, answered("FORWARDED")) == []
    assert judged(RULE, case_of("cart-to-coupons")) == []


def test_cannot_tell_without_hubble() -> None:
    assert doubts(RULE, without(answered("DROPPED"), HubbleFlows)) == "HubbleFlows"


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(answered("DROPPED"), Policies)) == "Policies"


def test_the_rule_to_add_is_offered_without_a_button() -> None:
    """What the proxy says cannot be replayed: a person reads and applies it."""
    case = answered("DROPPED")

    (fix,) = build(only(RULE, case), case)

    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/ingress/0/toPorts/0/rules/http/-",
        "value": {"method": "DELETE", "path": "/all"},
    }
    assert not fix.automatic
    assert fix.proof is None
