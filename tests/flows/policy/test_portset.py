"""Interval algebra against plain sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.policy.portset import ALL, NO_PORTS, PortSet

Parts = list[tuple[str, int, int]]
ranges = st.lists(st.tuples(st.sampled_from(["TCP", "UDP"]), st.integers(0, 40), st.integers(0, 12)), max_size=5)


def build(parts: Parts) -> tuple[PortSet, set[tuple[str, int]]]:
    total, plain = NO_PORTS, set()
    for protocol, low, width in parts:
        total = total | PortSet.of(protocol, low, low + width)
        plain |= {(protocol, port) for port in range(low, low + width + 1)}
    return total, plain


def listed(ports: PortSet) -> set[tuple[str, int]]:
    return {(key, n) for key, spans in ports.ranges.items() for low, high in spans for n in range(low, high + 1)}


@given(ranges, ranges)
def test_union_difference_and_intersection_are_those_of_sets(left: Parts, right: Parts) -> None:
    (a, plain_a), (b, plain_b) = build(left), build(right)

    assert listed(a | b) == plain_a | plain_b
    assert listed(a - b) == plain_a - plain_b
    assert listed(a & b) == plain_a & plain_b
    assert bool(a) is bool(plain_a)


@given(ranges, ranges)
def test_equal_sets_are_equal_values(left: Parts, right: Parts) -> None:
    (a, plain_a), (b, plain_b) = build(left), build(right)

    assert ((a | b) == (b | a)) is True
    assert ((a - b) == a) is not (plain_a & plain_b != set())


def test_everything_less_one_port_has_a_hole() -> None:
    left = ALL - PortSet.of("TCP", 80, 80)

    assert left.ranges["TCP"] == ((0, 79), (81, 65535))
    assert (left.holds("TCP", 80), left.holds("UDP", 80), left.holds("GRE", 1)) == (False, True, False)
    assert (left | PortSet.of("TCP", 80, 80)) == ALL
