"""A deny rule is somebody's intent: what its removal would do is replayed and told, and never offered with a button."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from flows.fixes.build import build
from flows.fixes.change import applied, undone
from flows.model import Case, Fix, JsonPatchFix, NoFix
from flows.rules.policy_explicit_deny import RULE
from lab.oracle import End, OracleNetwork
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import only
from tests.flows.rules.policies import with_policy
from tests.kit.cases import case_of

DENIED = {"agent-to-collector": "restricted-networks", "billing-to-tax": "billing-boundary"}


def lifted(case: Case) -> Fix:
    (fix,) = build(only(RULE, case), case)
    return fix


def on_one_port(spec: dict[str, Any]) -> None:
    """So narrow that nothing speaks against its removal."""
    spec["egressDeny"][0]["toPorts"] = [{"ports": [{"port": "8080", "protocol": "TCP"}]}]


@pytest.mark.parametrize("name", DENIED)
def test_it_says_what_would_open_and_is_never_automatic(name: str) -> None:
    fix = lifted(case_of(name))

    assert fix.proof is not None
    assert fix.proof.holds
    assert fix.newly_allowed
    assert not fix.automatic
    assert fix.notes == ("this rule was written to deny exactly this: ask its owner first",)


@pytest.mark.parametrize("name", DENIED)
def test_what_is_too_broad_is_refused_with_the_rule_it_is_about(name: str) -> None:
    refused = lifted(case_of(name)).refused or ""

    assert refused.startswith("without /spec/egressDeny/0 of Cilium")
    assert refused.endswith("it opens every port")


def test_a_rule_among_others_is_a_patch_with_its_way_back() -> None:
    case = with_policy(case_of("billing-to-tax"), "billing-boundary", lambda policy: on_one_port(policy["spec"]))
    before = case[Policies].objects

    fix = lifted(case)

    assert isinstance(fix, JsonPatchFix)
    assert fix.refused is None
    assert fix.newly_allowed == ("billing/Deployment billing -> gov/Deployment tax TCP 8080",)
    assert [each["op"] for each in fix.patch] == ["test", "remove"]
    assert undone(applied(before, fix), fix) == before
    network = OracleNetwork(applied(before, fix))
    (tax,) = (pod for pod in network.pods.values() if pod.workload == "Deployment tax")
    client = network.pods[case.target.namespace, case.target.pod]
    assert not OracleNetwork(before).allows(client, tax, "TCP", 8080)
    assert network.allows(client, tax, "TCP", 8080)


def test_a_policy_of_nothing_else_is_deleted_by_a_person() -> None:
    """Cilium refuses an object without a rule, and goes on with the old one: only its deletion lifts it."""

    def narrow(policy: dict[str, Any]) -> None:
        policy["spec"]["egressDeny"][0]["toPorts"] = [{"ports": [{"port": "443", "protocol": "TCP"}]}]

    case = with_policy(case_of("agent-to-collector"), "restricted-networks", narrow)

    fix = lifted(case)

    assert isinstance(fix, NoFix)
    assert fix.title == "Delete CiliumClusterwideNetworkPolicy restricted-networks, which has no other rule"
    assert fix.kubectl == "kubectl delete ciliumclusterwidenetworkpolicy restricted-networks"
    assert fix.newly_allowed == ("observe/Deployment agent -> 203.0.113.0/24 TCP 443",)
    made_again = yaml.safe_load(fix.undo.partition("\n")[2].rpartition("EOF")[0])
    (policy,) = (each for each in case[Policies].objects if each["metadata"]["name"] == "restricted-networks")
    assert json.dumps(made_again["spec"], sort_keys=True) == json.dumps(policy["spec"], sort_keys=True)
    assert not {"resourceVersion", "uid", "managedFields", "generation"} & set(made_again["metadata"])
    assert "status" not in made_again


def test_the_second_opinion_agrees_that_the_rule_was_it() -> None:
    case = case_of("agent-to-collector")
    objects = case[Policies].objects
    without = [each for each in objects if each["metadata"]["name"] != "restricted-networks"]
    there = End(ip="203.0.113.10", words=frozenset({"world"}), names=())

    answers = []
    for each in (objects, without):
        network = OracleNetwork(each)
        client = network.pods[case.target.namespace, case.target.pod]
        answers.append(network.allows(client, there, "TCP", 443))

    assert answers == [False, True]
