"""Cilium's policies: what is said beside the verdict, and what is refused."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN_PROFILE, Decision, PolicyWalk, PolicyWorld
from flows.policy.cilium_peers import name_matches
from flows.policy.profile import cilium
from tests.flows.policy.builders import Json, allowed, ask, cnp, pod

PODS = [pod("x/a", "10.0.0.1", app="a"), pod("y/b", "10.0.0.2", app="b")]
GROUP: Json = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumCIDRGroup",
    "metadata": {"name": "partners", "labels": {"kind": "partner"}},
    "spec": {"externalCIDRs": ["203.0.113.0/24"]},
}


def refusals(policy: Json) -> tuple[str, ...]:
    return PolicyWorld.of([*PODS, policy], CILIUM).refusals(policy)


def walk_of(policy: Json, destination: str = "y/b") -> PolicyWalk:
    world = PolicyWorld.of([*PODS, policy], CILIUM)
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
        ({"toCIDRSet": [{"cidrGroupRef": "nobody"}]}, "the CiliumCIDRGroup nobody is not at hand"),
        ({"toFQDNs": [{}]}, "neither matchName nor matchPattern"),
        ({"toRequires": [{}]}, "toRequires was removed in Cilium 1.19"),
        ({"toPorts": [{"ports": [{"port": "0", "protocol": "VRRP"}]}]}, "rules for VRRP are not modelled"),
        ({"toPorts": [{"ports": [{"port": "8"}], "quic": {}}]}, "this field is not known here"),
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
    assert allowed(objects, UNKNOWN_PROFILE, "x/a", "y/b", "TCP 80") is None


@pytest.mark.parametrize(
    ("spec", "isolated"),
    [
        ({"egress": [{"toEntities": ["all"]}], "enableDefaultDeny": {"ingress": True}}, False),
        ({"egress": [{"toEntities": ["all"]}], "ingress": [], "enableDefaultDeny": {"ingress": True}}, False),
        ({"ingress": [{}], "enableDefaultDeny": {"ingress": True}}, True),
        ({"ingress": [{}]}, True),
        ({"ingressDeny": [{"fromEntities": ["world"]}]}, True),
        ({"ingress": [{}], "enableDefaultDeny": {"ingress": False}}, False),
    ],
)
def test_only_a_direction_with_a_rule_is_isolated_whatever_enable_default_deny_says(spec: Json, isolated: bool) -> None:
    assert allowed([*PODS, cnp("y/n", **spec)], CILIUM, "x/a", "y/b", "TCP 80") is not isolated


def test_before_1_16_nothing_reads_enable_default_deny() -> None:
    objects = [*PODS, cnp("y/n", ingress=[{}], enableDefaultDeny={"ingress": False})]

    assert allowed(objects, cilium("1.15.7"), "x/a", "y/b", "TCP 80") is False
    assert allowed(objects, cilium("1.16.0"), "x/a", "y/b", "TCP 80") is True


def test_a_policy_without_rules_isolates_nothing_and_is_refused_from_1_17_on() -> None:
    policy = cnp("y/n", ingress=[], enableDefaultDeny={"ingress": True})

    for version, refused in (("1.16.3", False), ("1.17.0", True), ("", True)):
        world = PolicyWorld.of([*PODS, policy], cilium(version))
        assert world.judge(ask(world, "x/a", "y/b", "TCP 80")).allowed is True
        assert bool(world.refusals(policy)) is refused


REFUSED: list[tuple[Json, str]] = [
    ({"toEntities": ["all"], "toCIDR": ["10.0.0.0/8"]}, "toCIDR and toEntities cannot stand in one rule"),
    ({"toEntities": ["moon"]}, "the entity 'moon' is not known"),
    ({"toCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["10.0.0.0/8"]}]}, "10.0.0.0/8 is outside 203.0.113.0/24"),
    ({"toCIDRSet": [{"cidr": "203.0.113.1"}]}, "'203.0.113.1' is no CIDR with a prefix length"),
    ({"toCIDRSet": [{"cidr": "203.0.113.0/24", "cidrGroupRef": "g"}]}, "exactly one of cidr"),
    ({"toCIDR": ["10.0.0.0/255.0.0.0"]}, "'10.0.0.0/255.0.0.0' is not a CIDR"),
    ({"toFQDNs": [{"matchName": "a.b", "matchPattern": "*"}]}, "only one of matchName and matchPattern"),
    ({"toFQDNs": [{"matchName": "*.b"}]}, "'*.b' is no name"),
    ({"toEndpoints": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}, "In needs at least one value"),
    (
        {"toEndpoints": [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}]},
        "Exists takes no values",
    ),
    ({"toPorts": [{"ports": [{"port": "70000"}]}]}, "'70000' is neither a port from 0 to 65535 nor a name"),
    ({"toPorts": [{"ports": [{"port": "a-name-that-is-too-long"}]}]}, "nor a name of at most 15 letters"),
    ({"toPorts": [{"ports": [{"protocol": "TCP"}]}]}, "a port is needed"),
    ({"toPorts": [{"ports": [{"port": "80", "protocol": "QUIC"}]}]}, "the protocol 'QUIC' is not known"),
    ({"toPorts": [{"ports": [{"port": "80"}] * 41}]}, "41 ports, at most 40 can stand in an entry"),
    ({"toPorts": [{"ports": [{"port": "80", "protocol": "UDP"}], "rules": {"http": [{}]}}]}, "http rules are for TCP"),
    ({"toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{}]}}]}, "http rules are for TCP, not ANY"),
    ({"toPorts": [{"ports": [{"port": "0", "protocol": "TCP"}], "rules": {"http": [{}]}}]}, "a port other than 0"),
    ({"toPorts": [{"rules": {"dns": [{"matchPattern": "*"}]}}]}, "DNS rules need a port"),
    ({"icmps": [{"fields": [{"type": "Nonsense"}]}]}, "the ICMP type 'Nonsense' is not known"),
    ({"icmps": [{"fields": [{"type": 8, "family": "IPX"}]}]}, "the family 'IPX' is not known"),
    ({"toPorts": [{"ports": [{"port": "1"}]}], "icmps": [{}]}, "toPorts and icmps cannot stand in one rule"),
]


@pytest.mark.parametrize(("rule", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_an_object_with_one_invalid_rule_is_not_applied_at_all(rule: Json, why: str) -> None:
    """Its valid deny, and its isolation, count for nothing either."""
    deny = [{"fromEntities": ["all"]}]
    policy = cnp("x/n", egress=[{"toEntities": ["world"]}, rule], ingressDeny=deny)
    world = PolicyWorld.of([*PODS, policy], CILIUM)

    assert why in world.refusals(policy)[0]
    assert world.judge(ask(world, "x/a", "y/b", "TCP 80")).allowed is True
    assert world.judge(ask(world, "y/b", "x/a", "TCP 80")).allowed is True
    assert "Cilium would refuse this object" in walk_of(policy).why


def test_a_dns_rule_of_ingress_is_refused() -> None:
    dns = {"ports": [{"port": "53", "protocol": "UDP"}], "rules": {"dns": [{"matchPattern": "*"}]}}

    assert refusals(cnp("x/n", ingress=[{"toPorts": [dns]}])) == (
        "/spec/ingress/0/toPorts/0/rules/dns: DNS rules cannot stand in an ingress rule",
    )
    assert refusals(cnp("x/n", egress=[{"toPorts": [dns]}])) == ()


def test_one_invalid_spec_refuses_all_specs() -> None:
    policy = cnp("x/n")
    policy["specs"] = [
        {"endpointSelector": {}, "egress": [{}]},
        {"endpointSelector": {}, "egress": [{"toEntities": ["moon"]}]},
    ]
    del policy["spec"]

    assert allowed([*PODS, policy], CILIUM, "x/a", "y/b", "TCP 80") is True


def test_a_selector_for_nodes_is_refused_in_a_namespaced_policy() -> None:
    policy = cnp("x/n")
    policy["spec"] = {"nodeSelector": {}, "ingress": [{}]}

    assert refusals(policy) == ("/spec: an endpointSelector is needed",)


def test_what_cilium_says_of_a_live_object_goes_before_what_is_known_of_its_rules() -> None:
    """A version that accepts what others refuse: the rule is then not understood, not ignored."""
    policy = cnp("x/n", egress=[{"toEntities": ["moon"]}])
    policy["status"] = {"conditions": [{"type": "Valid", "status": "True"}]}

    assert walk_of(policy).decision is Decision.UNDECIDABLE
    assert refusals(policy) == ()


def test_an_endpoint_selector_that_speaks_of_the_namespace_is_held_against_the_policy_s_own() -> None:
    key = "k8s:io.kubernetes.pod.namespace"
    selectors: list[tuple[Json, bool]] = [
        ({"matchLabels": {key: "y"}}, True),  # Cilium writes its own namespace over this one
        ({"matchLabels": {"io.kubernetes.pod.namespace": "y"}}, False),
        ({"matchLabels": {"io.kubernetes.pod.namespace": "x"}}, True),
        ({"matchExpressions": [{"key": key, "operator": "NotIn", "values": ["x"]}]}, False),
        ({"matchExpressions": [{"key": key, "operator": "Exists"}]}, True),
        ({"matchLabels": {"io.cilium.k8s.namespace.labels.env": "prod"}}, False),
    ]
    for selector, selected in selectors:
        policy = cnp("x/n", egress=[{}])
        policy["spec"]["endpointSelector"] = selector
        assert allowed([*PODS, policy], CILIUM, "x/a", "y/b", "TCP 80") is not selected, selector


def test_a_subject_by_service_account_is_decided_where_the_pod_tells_its_own() -> None:
    robot = pod("x/robot", "10.0.0.3")
    robot["spec"]["serviceAccountName"] = "robot"
    unborn = pod("x/unborn")
    del unborn["status"]
    policy = cnp("x/n", {"io.cilium.k8s.policy.serviceaccount": "robot"}, egress=[{}])
    world = PolicyWorld.of([*PODS, robot, unborn, policy], CILIUM)

    verdicts = [world.judge(ask(world, who, "y/b", "TCP 80")).egress for who in ("x/robot", "x/a", "x/unborn")]

    assert [verdict.allowed for verdict in verdicts] == [False, True, None]
    assert "io.cilium.k8s.policy.serviceaccount of the pod is not at hand" in verdicts[2].why


def test_a_subject_of_another_cluster_is_none_of_ours() -> None:
    for cluster, selected in (("default", True), ("west", False)):
        policy = cnp("x/n", {"io.cilium.k8s.policy.cluster": cluster}, egress=[{}])
        assert allowed([*PODS, policy], CILIUM, "x/a", "y/b", "TCP 80") is not selected


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
    world = PolicyWorld.of([*PODS, policy], CILIUM)

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
