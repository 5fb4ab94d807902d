"""CIDR blocks, and whether a datapath compares them with this endpoint."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN_PROFILE, Endpoint
from flows.policy.addresses import comparable, inside, is_address, parse_block, parse_network
from flows.policy.reading import NotUnderstood

POD = Endpoint(namespace="x", pod="p", ip="10.0.0.1")
HOST_POD = Endpoint(namespace="x", pod="p", ip="172.16.0.1", host_network=True)
NODE = Endpoint(ip="172.16.0.1", entities=frozenset({"remote-node"}))
WORLD = Endpoint(ip="203.0.113.1", entities=frozenset({"world"}))


@pytest.mark.parametrize(
    ("ip", "cidr", "answer"),
    [
        ("10.0.0.1", "10.0.0.0/8", True),
        ("11.0.0.1", "10.0.0.0/8", False),
        ("10.0.0.1", "0.0.0.0/0", True),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "0.0.0.0/0", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("not an address", "0.0.0.0/0", False),
    ],
)
def test_an_address_is_inside_or_not(ip: str, cidr: str, answer: bool) -> None:
    assert inside(ip, parse_network(cidr, "")) is answer


def test_exceptions_are_holes() -> None:
    block = parse_block("10.0.0.0/8", ["10.1.0.0/16"], "")

    assert [block.admits(ip) for ip in ("10.0.0.1", "10.1.0.1", "11.0.0.1")] == [True, False, False]
    assert str(block) == "10.0.0.0/8 except 10.1.0.0/16"


def test_what_is_no_cidr_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match=r"/p: .10\.0\.0\.0/99. is not a CIDR"):
        parse_network("10.0.0.0/99", "/p")
    assert not is_address("")


def test_each_datapath_compares_its_own_kinds_of_endpoints() -> None:
    ends = (POD, HOST_POD, NODE, WORLD)

    assert [comparable(end, CILIUM) for end in ends] == [False, False, False, True]
    assert [comparable(end, CALICO_IPTABLES) for end in ends] == [True, True, True, True]
    assert [comparable(end, UNKNOWN_PROFILE) for end in ends] == [None, None, None, True]
