"""The resolver is refused by policy; its twins are a resolver that is ill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import AdmitTraffic, Component
from flows.rules.policy_dns_blocked import RULE
from sensors.dns_lookup import LookupOutcome, Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.kit.cases import case_of, with_facts, without


def test_speaks_of_the_policy_without_a_rule_for_dns() -> None:
    finding = only(RULE, case_of("worker-to-queue"))

    assert finding.component == Component("NetworkPolicy", "jobs", "worker-egress")
    assert finding.belief > 0.9
    assert "no name resolves" in finding.cause


def test_speaks_and_asks_for_both_protocols() -> None:
    remedy = only(RULE, case_of("worker-to-queue")).remedy

    assert isinstance(remedy, AdmitTraffic)
    assert {(each.traffic.protocol, each.traffic.port) for each in remedy.denied} == {("UDP", 53), ("TCP", 53)}


def test_speaks_without_hubble_when_no_server_answers() -> None:
    finding = only(RULE, without(case_of("worker-to-queue"), HubbleFlows))

    assert 0.5 <= finding.belief <= 0.8


@pytest.mark.parametrize("name", ["frontend-to-backend", "edge-to-sessions", "notify-to-mailer", "search-to-index"])
def test_stays_silent_where_the_resolver_itself_is_the_trouble(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_where_names_resolve_all_the_same() -> None:
    """A stray drop on port 53 is no blocked resolver."""
    case = case_of("worker-to-queue")
    lookups = case[Lookups]
    answered = tuple(replace(each, outcome=LookupOutcome.ANSWERED) for each in lookups.bursts)

    assert judged(RULE, with_facts(case, replace(lookups, bursts=answered))) == []


def test_where_only_tcp_is_refused_names_are_not_said_to_fail() -> None:
    """Over TCP come only the answers that do not fit into a datagram."""
    case = case_of("worker-to-queue")
    flows = case[HubbleFlows]
    over_tcp = tuple(replace(each, protocol="TCP") if each.port == 53 else each for each in flows.connections)

    causes = [each.cause for each in judged(RULE, with_facts(case, replace(flows, connections=over_tcp)))]

    assert causes
    assert not any("on TCP 53" in each and "no name resolves" in each for each in causes)
    assert any(each.endswith("so an answer too long for a datagram is lost") for each in causes)


def test_is_no_root_cause_when_the_question_names_an_address() -> None:
    case = case_of("worker-to-queue")
    by_address = replace(case, target=replace(case.target, to_host="10.96.0.1", to_port=443), derived={})

    assert [each.belief for each in judged(RULE, by_address)] == [0.4]


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("worker-to-queue"), Policies)) == "Policies"
