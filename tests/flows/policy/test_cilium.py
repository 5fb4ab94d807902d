"""Cilium's policies: what is said beside the verdict, and what is refused."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN, Decision, PolicyWalk, World
from flows.policy.cilium_peers import name_matches
from tests.flows.policy.builders import Json, allowed, ask, cnp, pod

PODS = [pod("x/a", "10.0.0.1", app="a"), pod("y/b", "10.0.0.2", app="b")]
GROUP: Json = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumCIDRGroup",
    "metadata": {"name": "partners", "labels": {"kind": "partner"}},
    "spec": {"externalCIDRs": ["203.0.113.0/24"]},
}


def walk_of(policy: Json, destination: str = "y/b") -> PolicyWalk:
    world = World.of([*PODS, policy], CILIUM)
    (walk,) = world.judge(ask(world, "x/a", destination, "TCP 80")).egress.walk
    return walk


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "anything.at.all", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("**.example.com", "a.b.example.com", True),
        ("**.example.com", "example.com", False),
        ("api-*.example.com", "api-7.example.com", True),
        ("API.example.com.", "api.EXAMPLE.com", True),
        ("a.example.com", "axexample.com", False),
    ],
)
def test_patterns_of_names(pattern: str, name: str, matches: bool) -> None:
    assert name_matches(pattern, exact=False, name=name) is matches


def test_l7_rules_are_said_after_the_admission() -> None:
    http = {"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [{"method": "GET"}]}}

    walk = walk_of(cnp("x/n", egress=[{"toEntities": ["cluster"], "toPorts": [http]}]))

    assert walk.decision is Decision.ADMITS
    assert walk.rules[0].notes == ("http rules apply after the L4 admission",)
    assert walk.why.endswith("http rules apply after the L4 admission")


def test_an_invalid_policy_is_said_and_not_applied() -> None:
    policy = cnp("x/n", egress=[{}])
    policy["status"] = {"conditions": [{"type": "Valid", "status": "False", "message": "bad port"}]}

    walk = walk_of(policy)

    assert (walk.decision, walk.isolates) == (Decision.NOT_APPLICABLE, False)
    assert walk.why == "not applied: Cilium calls it invalid and does not apply it: bad port"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"toEntities": ["all"], "toCIDR": ["10.0.0.0/8"]}, "Cilium refuses toCIDR and toEntities in one rule"),
        ({"toEntities": ["moon"]}, "the entity 'moon' is not known"),
        ({"toCIDRSet": [{"cidrGroupRef": "nobody"}]}, "the CiliumCIDRGroup nobody is not at hand"),
        ({"toFQDNs": [{}]}, "neither matchName nor matchPattern"),
        ({"toRequires": [{}]}, "toRequires was removed in Cilium 1.19"),
        ({"toPorts": [{"ports": []}]}, "toPorts without ports is not modelled"),
        ({"toPorts": [{"ports": [{"port": "70000"}]}]}, "70000 to 70000 is no range of ports"),
        ({"icmps": [{"fields": [{"type": "Nonsense"}]}]}, "the ICMP type 'Nonsense' is not known"),
        ({"toPorts": [{"ports": [{"port": "1"}]}], "icmps": [{}]}, "Cilium refuses toPorts and icmps in one rule"),
    ],
)
def test_a_rule_that_is_not_understood_is_undecidable_with_the_reason(rule: Json, why: str) -> None:
    walk = walk_of(cnp("x/n", egress=[rule]))

    assert walk.decision is Decision.UNDECIDABLE
    assert why in walk.why


def test_a_group_of_addresses_is_looked_up_by_name_or_label() -> None:
    by_name = cnp("x/n", egress=[{"toCIDRSet": [{"cidrGroupRef": "partners"}]}])
    by_label = cnp("x/n", egress=[{"toCIDRSet": [{"cidrGroupSelector": {"matchLabels": {"kind": "partner"}}}]}])

    for policy in (by_name, by_label):
        assert allowed([*PODS, GROUP, policy], CILIUM, "x/a", "203.0.113.7", "TCP 443") is True
        assert allowed([*PODS, GROUP, policy], CILIUM, "x/a", "198.51.100.1", "TCP 443") is False


def test_a_service_account_that_is_not_known_is_undecidable() -> None:
    peer = {"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "robot", "k8s:io.kubernetes.pod.namespace": "x"}}
    robot = pod("x/robot", "10.0.0.3")
    robot["spec"]["serviceAccountName"] = "robot"
    objects = [*PODS, robot, cnp("y/n", ingress=[{"fromEndpoints": [peer]}])]

    assert allowed(objects, CILIUM, "x/robot", "y/b", "TCP 80") is True
    assert allowed(objects, CILIUM, "x/a", "y/b", "TCP 80") is False


def test_other_datapaths_do_not_apply_them_and_unknown_ones_may() -> None:
    objects = [*PODS, cnp("x/n", egress=[{}])]

    assert allowed(objects, CALICO_IPTABLES, "x/a", "y/b", "TCP 80") is True
    assert allowed(objects, UNKNOWN, "x/a", "y/b", "TCP 80") is None


def test_a_host_policy_judges_no_pod() -> None:
    policy = cnp("n", ingress=[{}])
    policy["spec"] = {"nodeSelector": {}, "ingress": [{}]}

    assert allowed([*PODS, policy], CILIUM, "x/a", "y/b", "TCP 80") is True


def test_several_specs_are_several_policies_of_one_name() -> None:
    policy = cnp("x/n")
    policy["specs"] = [
        {"endpointSelector": {}, "egress": [{}]},
        {"endpointSelector": {}, "egress": [{"toEntities": ["all"]}]},
    ]
    del policy["spec"]
    world = World.of([*PODS, policy], CILIUM)

    verdict = world.judge(ask(world, "x/a", "y/b", "TCP 80")).egress

    assert (verdict.allowed, len(verdict.walk), len(verdict.isolated_by)) == (True, 2, 1)
    assert verdict.walk[1].rules[0].path == "/specs/1/egress/0"


def test_the_nearest_of_several_peers_is_the_one_explained() -> None:
    peers = [
        {"matchLabels": {"app": "zzzzzzz"}},
        {"matchLabels": {"app": "bb", "k8s:io.kubernetes.pod.namespace": "y"}},
    ]

    (miss,) = walk_of(cnp("x/n", egress=[{"toEndpoints": peers}])).rules[0].misses

    assert (miss.path, miss.near) == ("/spec/egress/0/toEndpoints/1/matchLabels/app", 1)
