"""What each datapath does where the API leaves it open."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, Enforcement, PolicyWorld
from flows.policy.profile import cilium
from tests.flows.policy.builders import ask, netpol, pod


@pytest.mark.parametrize(
    ("version", "ranges"),
    [("1.15.4", False), ("v1.16.0", True), ("1.20.0-dev+gcb98", True), ("", True), ("2.0.0", True)],
)
def test_port_ranges_are_enforced_from_cilium_1_16(version: str, ranges: bool) -> None:
    assert cilium(version).end_port is ranges


@pytest.mark.parametrize(
    ("label", "hidden"),
    [
        ("app", False),
        ("app.kubernetes.io/name", False),
        ("pod-template-hash", True),
        ("statefulset.kubernetes.io/pod-name", True),
        ("kubernetes.io/arch", True),
        ("topology.kubernetes.io/zone", False),
        ("k8s-app", False),
        ("batch.kubernetes.io/job-completion-index", True),
    ],
)
def test_cilium_leaves_some_labels_out_of_identities(label: str, hidden: bool) -> None:
    assert CILIUM.hides(label) is hidden
    assert CALICO_IPTABLES.hides(label) is False


@pytest.mark.parametrize(
    ("mode", "with_policy", "without"),
    [(Enforcement.DEFAULT, False, True), (Enforcement.ALWAYS, False, False), (Enforcement.NEVER, True, True)],
)
def test_the_enforcement_mode_decides_what_no_policy_means(mode: Enforcement, with_policy: bool, without: bool) -> None:
    objects = [pod("x/a", "10.0.0.1"), pod("y/b", "10.0.0.2"), netpol("x/n", types=["Ingress"])]
    world = PolicyWorld.of(objects, CILIUM.with_options(enforcement=mode))

    assert world.judge(ask(world, "y/b", "x/a", "TCP 80")).ingress.allowed is with_policy
    assert world.judge(ask(world, "x/a", "y/b", "TCP 80")).ingress.allowed is without
