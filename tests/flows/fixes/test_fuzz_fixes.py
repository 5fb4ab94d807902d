"""A few of the random cases of `make fuzz-fixes`, and that the judge notices what it is there for."""

from __future__ import annotations

import pytest

import flows.fixes.build
from lab.oracle import CannotTell, End, OracleNetwork
from tests.flows.fixes.fuzz_fixes import is_told, run
from tests.flows.fixes.random_cases import refused


def test_every_fix_opens_its_connection_closes_nothing_and_tells_all_that_it_opens() -> None:
    report = run(16, first=1)

    assert report.examples == []
    assert report.offered >= 14


def test_the_judge_notices_a_fix_that_takes_something_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.fixes.build, "taken_away", lambda *_: ())

    assert run(2, first=319).wrong["closes a way"] == 1


def test_the_refused_connection_is_one_by_the_second_opinion() -> None:
    asked = refused(1, mixed=False)
    assert asked is not None

    assert asked.network.allows(asked.source, asked.destination, "TCP", asked.port) is False


@pytest.mark.parametrize(
    ("told", "way", "covered"),
    [
        ("a/Deployment x -> b/Deployment y TCP 80", ("a/Deployment x", "b/Deployment y", "TCP", 80), True),
        ("a/Deployment x -> b/Deployment y TCP 80", ("a/Deployment x", "b/Deployment y", "TCP", 81), False),
        ("a/Deployment x -> b/Deployment y TCP 80", ("b/Deployment y", "a/Deployment x", "TCP", 80), False),
        ("a/Deployment x -> 203.0.113.0/24 TCP all", ("a/Deployment x", "203.0.113.10", "TCP", 5), True),
        ("a/Deployment x -> world-ipv4 TCP 1-9, 80", ("a/Deployment x", "203.0.113.10", "TCP", 5), True),
        ("host -> b/Deployment y TCP 80", ("health", "b/Deployment y", "TCP", 80), False),
    ],
)
def test_a_way_is_told_if_both_ends_and_the_port_are(told: str, way: tuple[str, str, str, int], covered: bool) -> None:
    assert is_told(way, [told]) is covered


def test_an_address_that_is_not_known_is_no_answer() -> None:
    network = OracleNetwork([])

    assert network.allows(End(words=frozenset({"world"})), End(words=frozenset({"host"})), "TCP", 80) is True
    with pytest.raises(CannotTell):
        OracleNetwork([_outside_only()]).allows(_POD, End(words=frozenset({"world"})), "TCP", 80)


_POD = End("shop", "web", {"app": "web"})


def _outside_only() -> dict[str, object]:
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}
    meta = {"name": "p", "namespace": "shop"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
