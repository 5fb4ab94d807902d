"""Everyone outside the pods, cut along the blocks that policies name."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from flows.policy import CILIUM, PolicyWorld
from flows.policy.endpoint_groups import outsiders, vocabulary
from tests.flows.policy.builders import netpol

BLOCKS = ("10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/25", "203.0.113.128/25", "203.0.113.0/24")


def outside(*cidrs: str) -> dict[str, str]:
    rules = [{"to": [{"ipBlock": {"cidr": cidr}}]} for cidr in cidrs]
    words = vocabulary(PolicyWorld.of([netpol("x/n", types=["Egress"], egress=rules)], CILIUM).policies)
    groups = [group for group in outsiders(words, CILIUM) if "world" in group.after.entities]
    return {party.name: group.after.ip for group in groups for party in group.parties}


def test_each_piece_has_an_address_that_lies_in_no_smaller_block() -> None:
    found = outside(*BLOCKS)

    for name, ip in found.items():
        around = [b for b in BLOCKS if ip_address(ip) in ip_network(b)]
        smallest = max(around, key=lambda b: ip_network(b).prefixlen, default="")
        assert smallest == ("" if name.startswith("world") else name)


def test_a_block_covered_by_its_halves_has_no_piece_of_its_own() -> None:
    assert "203.0.113.0/24" not in outside(*BLOCKS)


def test_the_rest_of_the_world_is_a_piece_unless_it_is_covered() -> None:
    assert {"world-ipv4", "world-ipv6"} <= set(outside(*BLOCKS))
    assert "world-ipv4" not in outside("0.0.0.0/1", "128.0.0.0/1")
