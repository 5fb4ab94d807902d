"""Each policy of docs/cookbook.md opens what its heading says and not its neighbour; the simulator judges it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.policy import CALICO_IPTABLES, CILIUM
from tests.flows.policy.builders import allowed, cnp, netpol, pod, space

PAGE = (Path(__file__).parents[2] / "docs/cookbook.md").read_text("utf-8")
POLICIES = {
    each["metadata"]["name"]: each for each in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
}
SPACES = ("shop", "checkout", "kube-system", "monitoring")
CLUSTER: list[Any] = [
    *(space(each, **{"kubernetes.io/metadata.name": each}) for each in SPACES),
    pod("shop/web", "10.0.0.1", app="web"),
    pod("shop/payments", "10.0.0.2", app="payments"),
    pod("shop/other", "10.0.0.3", app="other"),
    pod("checkout/till", "10.0.1.1", app="till"),
    pod("checkout/shelf", "10.0.1.2", app="shelf"),
    pod("kube-system/coredns", "10.0.2.1", **{"k8s-app": "kube-dns"}),
    pod("monitoring/prometheus", "10.0.3.1", app="prometheus"),
]
EXPECTED: dict[str, list[tuple[str, str, str, bool]]] = {
    "default-deny-but-dns": [
        ("shop/web", "kube-system/coredns", "UDP 53", True),
        ("shop/web", "kube-system/coredns", "TCP 9153", False),
        ("shop/web", "shop/payments", "TCP 80", False),
        ("checkout/till", "shop/web", "TCP 80", False),
    ],
    "node-local-dns": [
        ("shop/web", "169.254.20.10", "UDP 53", True),
        ("shop/web", "169.254.20.10", "TCP 80", False),
    ],
    "node-local-dns-cilium": [
        ("shop/web", "entity:host", "UDP 53", True),
        ("shop/web", "entity:host", "TCP 22", False),
    ],
    "web-to-payments": [
        ("shop/web", "shop/payments", "TCP 80", True),
        ("shop/web", "shop/payments", "TCP 8080", False),
        ("shop/web", "shop/other", "TCP 80", False),
    ],
    "payments-from-checkout": [
        ("checkout/till", "shop/payments", "TCP 80", True),
        ("checkout/shelf", "shop/payments", "TCP 80", False),
        ("shop/web", "shop/payments", "TCP 80", False),
    ],
    "web-to-kube-apiserver": [
        ("shop/web", "entity:kube-apiserver", "TCP 6443", True),
        ("shop/web", "entity:kube-apiserver", "TCP 22", False),
        ("shop/web", "shop/other", "TCP 6443", False),
    ],
    "web-to-api-server-address": [
        ("shop/web", "172.30.0.11", "TCP 6443", True),
        ("shop/web", "172.30.0.12", "TCP 6443", False),
    ],
    "web-to-bank": [
        ("shop/web", "name:api.bank.example", "TCP 443", True),
        ("shop/web", "name:other.example", "TCP 443", False),
        ("shop/web", "kube-system/coredns", "UDP 53", True),
    ],
    "metrics-from-nodes": [
        ("entity:remote-node", "shop/payments", "TCP 9090", True),
        ("entity:remote-node", "shop/payments", "TCP 80", False),
        ("shop/web", "shop/payments", "TCP 9090", False),
    ],
    "metrics-from-monitoring": [
        ("monitoring/prometheus", "shop/web", "TCP 9090", True),
        ("monitoring/prometheus", "shop/web", "TCP 80", False),
        ("checkout/till", "shop/web", "TCP 9090", False),
    ],
}
"""What each policy lets through when it stands alone, and what it stops."""

NOT_ON_CILIUM = {"web-to-api-server-address", "node-local-dns"}


def test_every_policy_of_the_page_is_judged_here() -> None:
    assert set(POLICIES) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_policy_opens_what_it_says_and_not_its_neighbour(name: str) -> None:
    policy = POLICIES[name]
    profile = CALICO_IPTABLES if name in NOT_ON_CILIUM else CILIUM

    said = [(*ways, allowed([*CLUSTER, policy], profile, *ways)) for *ways, _ in EXPECTED[name]]

    assert said == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(each for each in EXPECTED if POLICIES[each]["kind"] == "NetworkPolicy"))
def test_a_policy_of_kubernetes_means_the_same_elsewhere(name: str) -> None:
    said = [(*ways, allowed([*CLUSTER, POLICIES[name]], CALICO_IPTABLES, *ways)) for *ways, _ in EXPECTED[name]]

    assert said == EXPECTED[name]


def test_an_address_block_never_meets_a_pod_on_cilium() -> None:
    rule = netpol("shop/wrong", {"app": "web"}, ["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])

    assert allowed([*CLUSTER, rule], CILIUM, "shop/web", "shop/payments", "TCP 80") is False


def test_the_check_itself_sees_a_policy_that_opens_too_much() -> None:
    wide = cnp("shop/wide", {"app": "web"}, egress=[{"toEntities": ["all"]}])

    assert allowed([*CLUSTER, wide], CILIUM, "shop/web", "shop/other", "TCP 80") is True
