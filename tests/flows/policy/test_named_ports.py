"""A port name with two numbers, in an egress rule, under each version of Cilium; and where it makes no difference."""

from __future__ import annotations

from typing import Any

import pytest

from flows.policy import CALICO_IPTABLES, MissKind, PolicyWorld, Profile
from flows.policy.profile import cilium
from tests.flows.policy.builders import Json, allowed, ask, cnp, netpol, pod, space

OLD, NEW, UNKNOWN_VERSION = cilium("1.19.4"), cilium("1.20.0"), cilium()
WEB, A, B = "dairy/web", "dairy/a", "dairy/b"


def cluster(policy: Json, **more: Any) -> list[Json]:
    return [
        space("dairy"),
        pod(WEB, "10.0.0.1", app="web"),
        pod(A, "10.0.0.2", {"http": 9090}, tier="store"),
        pod(B, "10.0.0.3", {"http": more.get("other", 8080)}, tier=more.get("tier", "store")),
        policy,
    ]


BY_NAME = netpol(
    "dairy/out",
    {"app": "web"},
    ["Egress"],
    egress=[{"to": [{"podSelector": {"matchLabels": {"tier": "store"}}}], "ports": [{"port": "http"}]}],
)
CILIUM_BY_NAME = cnp(
    "dairy/out",
    {"app": "web"},
    egress=[{"toEndpoints": [{"matchLabels": {"tier": "store"}}], "toPorts": [{"ports": [{"port": "http"}]}]}],
)


@pytest.mark.parametrize("policy", [BY_NAME, CILIUM_BY_NAME], ids=["NetworkPolicy", "CiliumNetworkPolicy"])
@pytest.mark.parametrize(("profile", "expected"), [(OLD, False), (NEW, True), (UNKNOWN_VERSION, None)])
def test_a_name_with_two_numbers_opens_nothing_before_cilium_1_20(
    policy: Json, profile: Profile, expected: bool | None
) -> None:
    assert allowed(cluster(policy), profile, WEB, A, "TCP 9090") is expected
    assert allowed(cluster(policy), profile, WEB, B, "TCP 8080") is expected


@pytest.mark.parametrize("profile", [OLD, NEW, UNKNOWN_VERSION, CALICO_IPTABLES])
def test_a_name_with_one_number_opens_it_under_every_version(profile: Profile) -> None:
    assert allowed(cluster(BY_NAME, other=9090), profile, WEB, A, "TCP 9090") is True
    assert allowed(cluster(BY_NAME, other=9090), profile, WEB, A, "TCP 8080") is False


def test_the_other_number_counts_wherever_it_is_in_the_cluster() -> None:
    """Its pod need not be one that the rule selects; a pod without an address of its own does not count."""
    assert allowed(cluster(BY_NAME, tier="none"), OLD, WEB, A, "TCP 9090") is False
    on_host = [*cluster(BY_NAME, other=9090), pod("dairy/host", "172.16.0.1", {"http": 80}, host=True)]
    assert allowed(on_host, OLD, WEB, A, "TCP 9090") is True


def test_an_ingress_rule_reads_the_name_on_its_own_pod() -> None:
    policy = netpol("dairy/in", {"tier": "store"}, ["Ingress"], ingress=[{"ports": [{"port": "http"}]}])

    for version in (OLD, NEW, UNKNOWN_VERSION):
        assert allowed(cluster(policy), version, WEB, A, "TCP 9090") is True


def test_a_number_beside_the_name_is_still_open() -> None:
    rule = {"ports": [{"port": "http"}, {"port": 9090}]}
    policy = netpol("dairy/out", {"app": "web"}, ["Egress"], egress=[rule])

    assert allowed(cluster(policy), OLD, WEB, A, "TCP 9090") is True
    assert allowed(cluster(policy), OLD, WEB, B, "TCP 8080") is False


def test_the_miss_names_both_numbers() -> None:
    world = PolicyWorld.of(cluster(BY_NAME), OLD)
    (walk,) = world.judge(ask(world, WEB, A, "TCP 9090")).egress.walk

    (miss,) = walk.rules[0].misses
    assert (miss.kind, miss.path) == (MissKind.NAMED_PORT, "/spec/egress/0/ports/0/port")
    assert "it means 8080 and 9090" in miss.why


def test_a_pod_that_brings_the_second_number_changes_what_was_read_before() -> None:
    one = cluster(BY_NAME, other=9090)
    before = PolicyWorld.of(one, OLD)
    assert before.judge(ask(before, WEB, A, "TCP 9090")).allowed is True

    after = before.with_objects([pod("other/new", "10.0.0.9", {"http": 81})])
    back = after.with_objects([], [pod("other/new", "10.0.0.9", {"http": 81})])

    assert after.judge(ask(after, WEB, A, "TCP 9090")).allowed is False
    assert back.judge(ask(back, WEB, A, "TCP 9090")).allowed is True
