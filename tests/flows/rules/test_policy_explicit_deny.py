"""A deny rule, named by the datapath or computed."""

from __future__ import annotations

import pytest

from flows.model import Component, LiftDeny
from flows.rules.policy_explicit_deny import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import of_reason, with_traffic
from tests.kit.cases import case_of, without


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("agent-to-collector", Component("CiliumClusterwideNetworkPolicy", "", "restricted-networks")),
        ("billing-to-tax", Component("CiliumNetworkPolicy", "billing", "billing-boundary")),
    ],
)
def test_speaks_of_the_denying_policy_by_name_and_asks_what_its_removal_would_do(
    name: str, component: Component
) -> None:
    finding = only(RULE, case_of(name))

    assert finding.component == component
    assert finding.belief > 0.9
    assert isinstance(finding.remedy, LiftDeny)
    assert "its rule /spec/egressDeny/0 must go or except this peer" in finding.recommendation


def test_speaks_of_a_computed_deny_without_hubble() -> None:
    finding = only(RULE, without(case_of("billing-to-tax"), HubbleFlows))

    assert finding.component == Component("CiliumNetworkPolicy", "billing", "billing-boundary")


@pytest.mark.parametrize("name", ["api-server-cannot-watch", "orders-to-ledger", "search-to-index"])
def test_stays_silent_about_a_default_deny(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_when_the_datapath_says_default_deny() -> None:
    """Reason 133 is not a deny rule, whatever name a newer agent hints at."""
    said = with_traffic(case_of("billing-to-tax"), of_reason(133, "POLICY_DENIED"))

    assert judged(RULE, said) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("billing-to-tax"), Policies)) == "Policies"
