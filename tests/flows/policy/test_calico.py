"""Calico's own policies may change everything, and are never guessed."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES
from tests.flows.policy.builders import Json, allowed, pod

PODS = [pod("x/a", "10.0.0.1"), pod("y/b", "10.0.0.2")]


def calico(kind: str, group: str, namespace: str = "") -> Json:
    metadata = {"name": "c", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {"selector": "app == 'web'"}}


@pytest.mark.parametrize("group", ["projectcalico.org/v3", "crd.projectcalico.org/v1"])
def test_a_namespaced_one_makes_its_namespace_undecidable(group: str) -> None:
    policy = calico("NetworkPolicy", group, "x")

    assert allowed([*PODS, policy], CALICO_IPTABLES, "y/b", "x/a", "TCP 80") is None
    assert allowed([*PODS, policy], CALICO_IPTABLES, "y/b", "y/b", "TCP 80") is True


def test_a_global_one_makes_every_pod_undecidable() -> None:
    policy = calico("GlobalNetworkPolicy", "projectcalico.org/v3")

    assert allowed([*PODS, policy], CALICO_IPTABLES, "y/b", "203.0.113.1", "TCP 80") is None
