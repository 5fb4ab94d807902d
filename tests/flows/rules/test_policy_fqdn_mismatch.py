"""A name that no pattern matches; its twin is an address without any name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.fixes.build import build
from flows.model import Component
from flows.rules.policy_fqdn_mismatch import RULE
from sensors.hubble.outcomes import Connection
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_traffic
from tests.kit.cases import case_of, without


def test_speaks_of_the_policy_whose_names_all_miss() -> None:
    finding = only(RULE, case_of("sync-to-partner"))

    assert finding.component == Component("CiliumNetworkPolicy", "partners", "sync-egress")
    assert finding.belief > 0.9
    assert "no name in it matches cdn.example.net" in finding.cause


@pytest.mark.parametrize("name", ["agent-to-collector", "api-server-cannot-watch", "fx-to-rates", "search-to-index"])
def test_stays_silent_without_rules_for_names(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_about_an_address_without_a_name() -> None:
    def nameless(each: Connection) -> Connection:
        there = replace(each.destination, ip="203.0.113.99", names=())
        return replace(each, destination=there)

    case = with_traffic(case_of("sync-to-partner"), nameless)
    by_address = replace(case, target=replace(case.target, to_host=None, to_port=None), derived={})

    assert judged(RULE, by_address) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("sync-to-partner"), Policies)) == "Policies"


def test_offers_the_dns_rule_through_which_the_datapath_learns_the_address():
    seen = case_of("exporter-to-api-example")
    (finding,) = RULE.of(seen)
    fix = build(finding, seen)[0]

    assert finding.cause.startswith("CiliumNetworkPolicy invoices/exporter blocks invoices/exporter → api.example.com")
    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/egress/0/toPorts/0/rules",
        "value": {"dns": [{"matchPattern": "*"}]},
    }
    assert fix.proof is not None
    assert fix.proof.holds
