"""A rule for this very peer with another port; its twin is a rule for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from flows.model import Component
from flows.rules.policy_wrong_port import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_policy
from tests.kit.cases import case_of, without


def test_speaks_of_the_service_port_in_a_rule() -> None:
    finding = only(RULE, case_of("basket-to-pricing"))

    assert finding.component == Component("NetworkPolicy", "retail", "basket-egress")
    assert finding.belief > 0.9
    assert "(80 is the Service's port; policies see the pod's, 8080)" in finding.because
    assert finding.recommendation == "Let the rule name TCP 8080 (policies see the pod's port, never the Service's)."


def test_speaks_of_a_port_name_that_the_pod_does_not_have() -> None:
    def named(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["ports"][0]["port"] = "web"

    finding = only(RULE, with_policy(case_of("basket-to-pricing"), "basket-egress", named))

    assert "has no TCP port named 'web'" in finding.because


def test_a_rule_for_another_protocol_is_said_to_be_over_it_and_not_on_a_port_of_that_name() -> None:
    def datagrams(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["ports"][0] = {"protocol": "UDP"}

    finding = only(RULE, with_policy(case_of("basket-to-pricing"), "basket-egress", datagrams))

    assert "its rule allows this peer only over UDP" in finding.cause


def test_stays_silent_about_a_rule_for_everybody() -> None:
    """Port 80 to anyone is not a mistaken rule for pricing."""

    def to_anyone(policy: dict[str, Any]) -> None:
        del policy["spec"]["egress"][1]["to"]

    assert judged(RULE, with_policy(case_of("basket-to-pricing"), "basket-egress", to_anyone)) == []


@pytest.mark.parametrize(
    "name", ["api-server-cannot-watch", "checkout-to-bank", "importer-to-store", "search-to-index"]
)
def test_stays_silent_where_the_peer_is_wrong(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("basket-to-pricing"), Policies)) == "Policies"
