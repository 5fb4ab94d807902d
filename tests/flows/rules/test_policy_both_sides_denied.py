"""Two policies in the way, of which flows show only the first."""

from __future__ import annotations

from flows.model import Component
from flows.rules.policy_both_sides_denied import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of, without


def test_speaks_of_both_policies_though_only_one_drop_is_seen() -> None:
    both, hidden = judged(RULE, case_of("checkout-to-bank"))

    assert (both.cause_class, both.component) == (
        "policy.both_sides_denied",
        Component("NetworkPolicy", "checkout", "checkout-egress"),
    )
    assert (hidden.cause_class, hidden.component) == (
        "policy.ingress_denied",
        Component("NetworkPolicy", "payments", "bank-ingress"),
    )
    assert both.belief > hidden.belief >= 0.5
    assert "hidden behind the drop on the sender's side" in hidden.because


def test_stays_silent_when_only_one_side_refuses() -> None:
    def opened(thing: dict[str, object]) -> None:
        if thing["kind"] == "NetworkPolicy" and thing["metadata"] and "bank-ingress" in str(thing["metadata"]):
            thing["spec"] = {
                "podSelector": {"matchLabels": {"app": "bank"}},
                "policyTypes": ["Ingress"],
                "ingress": [{}],
            }

    assert judged(RULE, with_objects(case_of("checkout-to-bank"), opened)) == []
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("checkout-to-bank"), Policies)) == "Policies"


def test_the_one_finding_is_the_root_and_hides_the_other() -> None:
    both, hidden = judged(RULE, case_of("checkout-to-bank"))

    assert hidden.cause_class in both.hides
