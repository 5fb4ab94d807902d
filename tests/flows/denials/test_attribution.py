"""One cause for every refused connection, whatever the objects look like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.catalog import rules
from flows.causes import Stage
from flows.denials.attribution import component_of, denials, onset
from flows.denials.policy_world import world_of
from flows.fixes.build import build
from flows.model import Component, Missing
from flows.policy import PolicyRef
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import judged
from tests.flows.rules.policies import with_policy
from tests.kit.cases import case_of, expected, names, with_facts
from tests.kit.spoil import spoiled

POLICY = [each for each in names() if expected(each)["cause_class"].startswith("policy.")]


@pytest.mark.parametrize("name", POLICY)
def test_the_recorded_cause_is_the_one_that_is_named(name: str) -> None:
    named = {each.cause_class for each in case_of(name).once(denials) if each.connection.asked}

    assert named == {expected(name)["cause_class"]}


@pytest.mark.parametrize("name", [each for each in names() if each not in POLICY])
def test_nothing_is_blamed_on_a_policy_that_refuses_nothing(name: str) -> None:
    assert case_of(name).once(denials) == ()


def test_of_two_policies_the_one_that_came_closest_is_named_first() -> None:
    """A second policy without any rule isolates as well; the rule for pricing is the near miss."""
    case = case_of("basket-to-pricing")
    empty = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a-default-deny", "namespace": "retail"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }
    both = with_facts(case, replace(case[Policies], objects=(empty, *case[Policies].objects)))

    (denial,) = both.once(denials)

    assert denial.component == Component("NetworkPolicy", "retail", "basket-egress")
    assert [each.name for each in denial.guilty] == ["basket-egress", "a-default-deny"]


def test_the_change_just_before_the_first_drop_is_the_onset() -> None:
    (denial,) = case_of("orders-to-ledger").once(denials)

    assert [each.about.name for each in onset(case_of("orders-to-ledger"), denial)] == ["baseline"]


def test_two_wrong_words_are_another_intent_and_no_mistake() -> None:
    def both_wrong(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["to"][0]["podSelector"]["matchLabels"] = {"app": "billing"}

    case = with_policy(case_of("basket-to-pricing"), "basket-egress", both_wrong)

    assert [each.cause_class for each in case.once(denials)] == ["policy.egress_denied"]


def test_a_policy_without_a_namespace_is_cluster_wide() -> None:
    ref = PolicyRef("CiliumClusterwideNetworkPolicy", "", "all")

    assert component_of(ref) == Component("CiliumClusterwideNetworkPolicy", "", "all")
    assert component_of(None) is None


@pytest.mark.parametrize("name", POLICY)
def test_spoiled_objects_never_crash_a_policy_rule_or_a_fix(name: str) -> None:
    """Wrong types, nulls and missing keys make things undecidable, not a trace."""
    case = case_of(name)
    for seed in range(8):
        objects = tuple(spoiled([dict(each) for each in case[Policies].objects], seed))
        broken = with_facts(case, replace(case[Policies], objects=objects))

        for rule in (each for each in rules().values() if each.id.startswith(("policy-", "cilium-"))):
            try:
                for finding in judged(rule, broken):
                    build(finding, broken)
            except Missing:
                continue

        assert broken.once(world_of) is not None


# -- where it blocks ---------------------------------------------------------------------------------------------------


def test_a_mistake_in_the_peer_s_policy_blocks_at_the_peer_s_end() -> None:
    """What is wrong before that end (a Service without backends) comes first, whatever the mistake is called."""
    case = case_of("box-to-seats")
    found = [each for rule in rules().values() if rule.id == "policy-wrong-selector" for each in rule.of(case)]

    assert [each.stage for each in found] == [Stage.INGRESS_POLICY]


def test_the_same_mistake_in_the_pod_s_own_policy_blocks_at_its_own_end() -> None:
    found = list(rules()["policy-wrong-port"].of(case_of("basket-to-pricing")))

    assert [each.stage for each in found] == [Stage.EGRESS_POLICY]
