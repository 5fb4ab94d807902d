"""Administrators' policies: older shapes, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest

from flows.policy import CALICO_IPTABLES
from tests.flows.policy.builders import Json, admin, allowed, pod, space

PROFILE = CALICO_IPTABLES.with_options(cluster_network_policy=True, admin_network_policy=True)
PODS = [space("x"), space("y"), pod("x/a", "10.0.0.1", {"http": 8080}, app="a"), pod("y/b", "10.0.0.2", app="b")]
EVERYONE: Json = {"namespaces": {}}


def old(rule: Json) -> Json:
    head = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"}
    return {**head, "metadata": {"name": "n"}, "spec": {"priority": 1, "subject": EVERYONE, "ingress": [rule]}}


def answer(policy: Json, port: str = "TCP 8080") -> bool | None:
    return allowed([*PODS, policy], PROFILE, "y/b", "x/a", port)


@pytest.mark.parametrize(
    "peer",
    [
        {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "y"}}},
        {"namespaces": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "y"}}}},
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}},
        {"pods": {"namespaces": {"namespaceSelector": {}}, "podSelector": {"matchLabels": {"app": "b"}}}},
    ],
)
def test_peers_of_every_release_are_read(peer: Json) -> None:
    assert answer(old({"action": "Deny", "from": [peer]})) is False


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"namedPort": "http"}], False),
        ([{"portNumber": {"protocol": "TCP", "port": 8080}}], False),
        ([{"portRange": {"start": 8000, "end": 9000}}], False),
        ([{"portRange": {"protocol": "UDP", "start": 8000, "end": 9000}}], True),
        ([], None),
        ([{"portNumber": {"protocol": "TCP", "port": "8080"}}], None),
    ],
)
def test_ports_of_v1alpha1(ports: list[Json], expected: bool | None) -> None:
    assert answer(old({"action": "Deny", "from": [EVERYONE], "ports": ports})) is expected


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "Middle"},
        {"priority": "first"},
        {"subject": {}},
        {"subject": {"namespaces": {}, "nodes": {}}},
        {"ingress": [{"action": "Perhaps", "from": [EVERYONE]}]},
        {"ingress": [{"action": "Deny", "from": [{}]}]},
        {"ingress": [{"action": "Deny", "from": [{"namespaces": {"sameLabels": ["a"], "namespaceSelector": {}}}]}]},
        {"ingress": [{"action": "Deny", "from": [EVERYONE], "protocols": [{"http": {}}]}]},
    ],
)
def test_what_is_not_understood_makes_the_policy_undecidable(change: dict[str, Any]) -> None:
    policy = admin("n", "Admin", 1, EVERYONE, ingress=[{"action": "Deny", "from": [EVERYONE]}])
    policy["spec"] = {**policy["spec"], **change}

    assert answer(policy) is None
