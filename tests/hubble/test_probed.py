"""Which connections only KAI's own probe made: by its source ports, or by the pattern an older one left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sensors.access.probe.agent import SOURCE_PORTS
from sensors.hubble.connections import PROBE_PORTS
from sensors.hubble.lines import HubbleFlow
from sensors.hubble.outcomes import Connection, ConnectionOutcome, Party
from sensors.hubble.probed import only_probed
from tests.hubble.test_connections import attempt
from tests.kit.hubble_captures import gathered, hubble_flows

replace_flow = msgspec.structs.replace
AT = datetime(2026, 11, 28, 21, 11, tzinfo=UTC)
POD = Party("10.244.1.42", "shop", "client")
RESOLVER = Party("10.244.1.49", "kube-system", "coredns")
API = Party("172.30.0.11", entities=("kube-apiserver", "remote-node"))


def tried(there: Party, port: int, *seconds: float, attempts: int = 0, probed: int = 0) -> Connection:
    began = tuple(AT + timedelta(seconds=each) for each in seconds)
    count = attempts or len(seconds)
    return Connection(
        POD, there, "TCP", port, ConnectionOutcome.DROPPED, count, dropped=count, probed=probed, began=began
    )


def left_out(*found: Connection) -> list[int]:
    return sorted(each.port for each in only_probed(found, "shop", "client"))


def test_the_probe_and_whoever_looks_for_it_know_the_same_ports() -> None:
    assert SOURCE_PORTS == PROBE_PORTS
    assert min(PROBE_PORTS) > 60999  # the last that Linux chooses by itself


def test_an_attempt_is_the_probes_by_its_source_port() -> None:
    probe, own = attempt("03", 443, 61007, 0), attempt("03", 443, 40001, 5)

    (only,) = gathered(probe).all()
    (mixed,) = gathered([*probe, *own]).all()

    assert (only.attempts, only.probed) == (1, 1)
    assert (mixed.attempts, mixed.probed) == (2, 1)


def test_a_server_that_listens_in_that_range_makes_nobody_a_probe() -> None:
    there = [msgspec.structs.replace(each, destination_port=61007) for each in hubble_flows("03")]

    assert [each.probed for each in gathered(there).all()] == [0]


def test_what_only_the_probe_tried_is_left_out_and_what_the_pod_tried_too_is_not() -> None:
    assert left_out(tried(RESOLVER, 53, 0, 9, probed=2)) == [53]
    assert left_out(tried(RESOLVER, 53, 0, 9, probed=1)) == []


def test_another_pods_attempts_are_never_ours() -> None:
    stranger = replace(tried(RESOLVER, 53, 0, probed=1), source=Party("10.244.1.43", "shop", "other"))

    assert left_out(stranger) == []


def test_without_the_mark_a_look_is_known_by_its_two_doors_at_one_time() -> None:
    assert left_out(tried(RESOLVER, 53, 0, 16.3), tried(API, 6443, 0.01, 16.31)) == [53, 6443]


def test_a_pod_that_wants_one_of_them_tries_it_without_the_other() -> None:
    assert left_out(tried(RESOLVER, 53, 0), tried(API, 6443, 0, 3, 6)) == [53]
    assert left_out(tried(RESOLVER, 53, 0, 5), tried(API, 6443, 0)) == [6443]
    assert left_out(tried(RESOLVER, 53, 0, 16)) == []


def test_a_pod_that_resolves_over_tcp_before_each_call_is_no_probe() -> None:
    assert left_out(tried(RESOLVER, 53, 0, 0.01, 9, 9.01), tried(API, 6443, 0.02, 9.02)) == []


def test_attempts_that_are_no_longer_known_one_by_one_are_the_pods() -> None:
    assert left_out(tried(RESOLVER, 53, 0, attempts=40), tried(API, 6443, 0)) == [6443]


# -- what is no TCP ----------------------------------------------------------------------------------------------------


def marked(name: str, source_port: int) -> list[HubbleFlow]:
    """A capture's client packets, all from this source port, and the answers to it."""
    client = next(each.source.ip for each in hubble_flows(name) if each.is_reply is not True)

    def moved(flow: HubbleFlow) -> HubbleFlow:
        end = "source_port" if flow.source.ip == client else "destination_port"
        return replace_flow(flow, **{end: source_port})

    return [moved(each) for each in hubble_flows(name)]


def test_a_look_up_from_the_probes_port_is_the_probes_over_udp_as_over_tcp() -> None:
    assert {each.probed for each in gathered(marked("10", 61400)).all() if each.protocol == "UDP"} == {1}
    assert {each.probed for each in gathered(marked("10", 40400)).all() if each.protocol == "UDP"} == {0}


def test_the_dns_proxy_s_word_on_the_probes_own_look_ups_is_not_told_as_the_pods() -> None:
    assert gathered(hubble_flows("33")).dns() != ()
    assert gathered(marked("33", 61400)).dns() == ()


def echo(*seconds: float) -> Connection:
    first, last = (AT + timedelta(seconds=each) for each in (min(seconds), max(seconds)))
    return replace(
        tried(RESOLVER, 0, attempts=1), protocol="ICMPv4", icmp=(8, 0), began=(first,), first=first, last=last
    )


def test_an_echo_that_came_with_the_probes_own_attempts_is_the_probes() -> None:
    probe = tried(API, 6443, 0, 60, probed=2)

    assert left_out(probe, echo(0.5, 62)) == [0, 6443]


@pytest.mark.parametrize(
    ("others", "alone"),
    [
        ([], echo(0.5)),  # no probe anywhere
        ([tried(API, 6443, 0)], echo(0.5)),  # the pod's own attempts
        ([tried(API, 6443, 0, probed=1)], echo(0.5, 30)),  # it goes on after the probe
        ([tried(API, 6443, 20, probed=1)], echo(0.5)),  # it was there before
        ([tried(API, 6443, 0, probed=1)], replace(echo(0.5), icmp=(3, 3))),  # no echo
    ],
)
def test_a_ping_of_the_pod_s_own_is_the_pods(others: list[Connection], alone: Connection) -> None:
    assert alone not in only_probed([*others, alone], "shop", "client")


def test_on_the_host_network_the_probe_is_known_by_the_node_s_address_and_its_ports() -> None:
    node = Party("172.30.0.12", entities=("host",))
    ours = replace(tried(API, 6443, 0, probed=1), source=node)
    own = replace(tried(API, 443, 0), source=node)
    stranger = replace(tried(API, 6443, 0, probed=1), source=Party("172.30.0.13", entities=("remote-node",)))

    assert only_probed([ours, own, stranger], "shop", "client", frozenset({"172.30.0.12"})) == {ours}
    assert only_probed([ours, own, stranger], "shop", "client") == frozenset()
