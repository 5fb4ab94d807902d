"""Refused in the first seconds only; its twin is a standing denial."""

from __future__ import annotations

import pytest

from flows.rules.cilium_identity_race import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import passed_since, with_traffic, without_policies
from tests.kit.cases import case_of, without


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
