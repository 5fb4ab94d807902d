"""Refused in the first seconds only; its twin is a standing denial."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.rules.cilium_identity_race import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import passed_since, with_traffic, without_policies
from tests.kit.cases import case_of, with_facts, without


def test_speaks_when_the_drops_ended_and_the_policies_admit() -> None:
    raced = with_traffic(without_policies(case_of("orders-to-ledger")), passed_since)

    finding = only(RULE, raced)

    assert finding.cause_class == "cilium.identity_race"
    assert finding.remedy is None
    assert "no policy is missing" in finding.recommendation


@pytest.mark.parametrize("name", ["orders-to-ledger", "api-server-cannot-watch", "worker-to-queue", "search-to-index"])
def test_stays_silent_about_a_standing_denial(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_when_the_policies_refuse_it_as_well() -> None:
    assert judged(RULE, with_traffic(case_of("orders-to-ledger"), passed_since)) == []


def test_cannot_tell_without_hubble() -> None:
    assert doubts(RULE, without(case_of("orders-to-ledger"), HubbleFlows)) == "HubbleFlows"


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("orders-to-ledger"), Policies)) == "Policies"


def test_stays_silent_while_it_is_refused_and_not_every_policy_could_be_read() -> None:
    """A young pod that is refused by a policy nobody read looks the same (synthetic)."""
    seen = without_policies(case_of("api-server-cannot-watch"))
    pod, flows = seen[PodFacts], seen[HubbleFlows]
    first = min(each.first_drop for each in flows.connections if each.first_drop)
    young = with_facts(seen, replace(pod, age_s=12.0, created=first - timedelta(seconds=1)))
    unread = replace(young[Policies], unreadable={"CiliumNetworkPolicy": "not in the recording"})

    assert [each.cause_class for each in judged(RULE, young)] == ["cilium.identity_race"]
    assert judged(RULE, with_facts(young, unread)) == []
