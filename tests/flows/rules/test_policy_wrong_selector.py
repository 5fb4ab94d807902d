"""One label off; its twin is a rule that simply means somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from flows.fixes.build import build
from flows.model import Component
from flows.rules.policy_wrong_selector import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_objects, with_policy
from tests.kit.cases import case_of, without

POLICY = Component("NetworkPolicy", "data", "warehouse-access")


def test_speaks_of_the_namespace_that_lacks_a_label_others_have() -> None:
    finding = only(RULE, case_of("reports-to-warehouse"))

    assert finding.component == Component("Namespace", "", "analytics")
    assert finding.belief > 0.9
    assert "namespace analytics has no label access, the rule wants access=warehouse" in finding.cause


def test_speaks_of_the_policy_when_nobody_has_the_label_and_it_is_new() -> None:
    def forgotten(thing: dict[str, Any]) -> None:
        thing["metadata"].get("labels", {}).pop("access", None)

    case = with_objects(case_of("reports-to-warehouse"), forgotten)
    finding = only(RULE, case)

    assert finding.component == POLICY
    assert {each.target.kind for each in build(finding, case) if each.target} == {"NetworkPolicy"}


def test_speaks_of_a_misspelt_label_in_the_policy() -> None:
    def misspelt(policy: dict[str, Any]) -> None:
        policy["spec"]["ingress"][0]["from"] = [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "analytcs"}}}
        ]

    finding = only(RULE, with_policy(case_of("reports-to-warehouse"), "warehouse-access", misspelt))

    assert finding.component == POLICY


def test_speaks_of_a_selector_that_forgot_the_namespace() -> None:
    def forgot(policy: dict[str, Any]) -> None:
        policy["spec"]["ingress"][0]["from"] = [{"podSelector": {"matchLabels": {"app": "reports"}}}]

    finding = only(RULE, with_policy(case_of("reports-to-warehouse"), "warehouse-access", forgot))

    assert finding.component == POLICY
    assert "namespaceSelector" in finding.recommendation


def test_stays_silent_about_a_rule_for_another_workload() -> None:
    """app=etl is not a misspelt app=reports."""

    def for_another(policy: dict[str, Any]) -> None:
        policy["spec"]["ingress"][0]["from"] = [
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "settlement"}}}
        ]

    assert judged(RULE, with_policy(case_of("reports-to-warehouse"), "warehouse-access", for_another)) == []


@pytest.mark.parametrize("name", ["orders-to-ledger", "basket-to-pricing", "checkout-to-bank", "search-to-index"])
def test_stays_silent_where_more_than_one_word_is_wrong(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("reports-to-warehouse"), Policies)) == "Policies"
