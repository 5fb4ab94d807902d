"""NetworkPolicy: places of what is not understood, and the paths a correction needs."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM
from flows.policy.kubernetes import parse_network_policy
from flows.policy.model import Direction
from tests.flows.policy.builders import Json, allowed, netpol, pod


def clause_fault(rule: Json) -> str:
    policy = parse_network_policy(netpol("x/n", types=["Ingress"], ingress=[rule]), CILIUM)
    return policy.side(Direction.INGRESS).clauses[0].fault


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"from": [{}]}, "/spec/ingress/0/from/0: the peer is empty: no selector and no ipBlock"),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]},
            "/spec/ingress/0/from/0: an ipBlock cannot stand beside a selector",
        ),
        ({"from": [{"ipBlock": {"cidr": "x"}}]}, "/spec/ingress/0/from/0/ipBlock: 'x' is not a CIDR"),
        ({"to": []}, "/spec/ingress/0/to: this field is not known here"),
        ({"ports": [{"port": 90, "endPort": 80}]}, "/spec/ingress/0/ports/0: 90 to 80 is no range of ports"),
        ({"ports": [{"port": "http", "endPort": 80}]}, "/spec/ingress/0/ports/0: endPort with a named port"),
        ({"ports": [{"endPort": 80}]}, "/spec/ingress/0/ports/0: endPort without port"),
        ({"ports": [{"port": True}]}, "/spec/ingress/0/ports/0/port: expected a number, found a truth value"),
        ({"ports": {}}, "/spec/ingress/0/ports: expected a list, found an object"),
        (["text"], "/spec/ingress/0: expected an object, found a list"),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(rule: Json, fault: str) -> None:
    assert clause_fault(rule) == fault


def test_one_odd_rule_does_not_spoil_the_others() -> None:
    policy = parse_network_policy(
        netpol("x/n", types=["Ingress"], ingress=[{"from": [{}]}, {"ports": [{"port": 1}]}]), CILIUM
    )

    odd, right = policy.side(Direction.INGRESS).clauses

    assert (bool(odd.fault), right.fault, right.path) == (True, "", "/spec/ingress/1")


def test_a_policy_without_a_namespace_is_in_default() -> None:
    policy = netpol("x/n", types=["Ingress"])
    del policy["metadata"]["namespace"]

    assert str(parse_network_policy(policy, CILIUM).ref) == "NetworkPolicy default/n"


def test_cilium_enforces_rules_of_a_direction_that_policy_types_leaves_out() -> None:
    """The API says nothing of ingress here; Cilium makes entries of every rule (``pkg/k8s/network_policy.go``)."""
    nobody = [{"from": [{"podSelector": {"matchLabels": {"app": "zzz"}}}]}]
    objects = [
        pod("x/a", app="a"),
        pod("x/b", app="b"),
        netpol("x/n", {"app": "a"}, ["Egress"], egress=[{}], ingress=nobody),
    ]

    assert allowed(objects, CILIUM, "x/b", "x/a", "TCP 80") is False
    assert allowed(objects, CALICO_IPTABLES, "x/b", "x/a", "TCP 80") is True
    objects[-1]["spec"]["ingress"] = []
    assert allowed(objects, CILIUM, "x/b", "x/a", "TCP 80") is True
