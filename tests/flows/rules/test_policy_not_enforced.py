"""Policies that nobody enforces; their twin is a cluster that does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.model import Component
from flows.rules.policy_not_enforced import RULE
from sensors.cni_health import CniHealth
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_traffic
from tests.kit.cases import case_of, with_facts, without

LATER = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
EARLIER = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def opened(each: Connection, last: datetime = LATER) -> Connection:
    """Synthetic: the recorded connection, let through."""
    return replace(
        each, drops=(), dropped=0, packets_dropped=0, opened=3, outcome=ConnectionOutcome.OPENED, last_opened=last
    )


def test_speaks_softly_when_denied_connections_open() -> None:
    finding = only(RULE, with_traffic(case_of("orders-to-ledger"), opened))

    assert finding.belief < 0.5
    assert finding.component == Component("NetworkPolicy", "finance", "baseline")


def test_speaks_when_the_plug_in_has_no_policy_engine() -> None:
    case = case_of("api-server-cannot-watch")
    flannel = replace(case, environment=replace(case.environment, cni="flannel"), derived={})

    assert only(RULE, flannel).because == "flannel has no policy engine"


def test_speaks_when_denials_are_only_audited() -> None:
    case = case_of("search-to-index")
    health = case[CniHealth]
    audited = with_facts(case, replace(health, config={**health.config, "policy-audit-mode": "true"}))

    assert "policy audit mode" in only(RULE, audited).cause


@pytest.mark.parametrize("name", ["search-to-index", "orders-to-ledger", "api-server-cannot-watch", "cart-to-coupons"])
def test_stays_silent_where_policies_work(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_when_the_connection_opened_only_before_the_policy_came() -> None:
    before = with_traffic(case_of("orders-to-ledger"), lambda each: opened(each, EARLIER))

    assert judged(RULE, before) == []


def test_stays_silent_when_nobody_saw_a_denied_connection_open() -> None:
    assert judged(RULE, without(case_of("orders-to-ledger"), HubbleFlows)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("orders-to-ledger"), Policies)) == "Policies"
