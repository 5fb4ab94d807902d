"""Dropped packets by their way, in constant memory."""

from __future__ import annotations

from datetime import timedelta

from bot.watch.drops import MAX_REMEMBERED_WAYS, NEW_AFTER_QUIET, DropMemory, way_of
from sensors.hubble.records import FlowEndpoint, HubbleFlow
from sensors.kit import Target
from tests.bot.watch.watching import BEGAN, drop

SECOND = timedelta(seconds=1)


def test_packets_of_one_workload_to_one_port_are_one_way():
    drops = DropMemory()
    for number in range(100):
        drops.note(drop(BEGAN + number * SECOND, pod=f"web-{number % 3}"), BEGAN)

    (cut,) = drops.new_since(BEGAN)
    assert (str(cut.way), cut.packets) == ("shop/web → 10.0.0.9 (TCP 8080)", 100)
    assert cut.sample == Target("web-0", "shop", "10.0.0.9", 8080, "TCP")


def test_whatever_comes_memory_stays_bounded_and_the_newest_is_known():
    drops = DropMemory()
    for number in range(3 * MAX_REMEMBERED_WAYS):
        drops.note(drop(BEGAN, ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"), BEGAN)

    high, low = divmod(3 * MAX_REMEMBERED_WAYS - 1, 256)
    assert len(drops) == MAX_REMEMBERED_WAYS
    assert drops.new_since(BEGAN)[-1].way.destination == f"10.0.{high}.{low}"


def test_a_receiver_that_refuses_is_the_one_that_is_cut_off():
    there = FlowEndpoint(namespace="pay", pod="bank-1")
    packet = {"destination_port": 8443, "protocol": "TCP", "direction": "INGRESS"}
    flow = HubbleFlow(source=FlowEndpoint(ip="192.0.2.1"), destination=there, **packet)
    drops = DropMemory()
    drops.note(flow, BEGAN)

    assert way_of(flow).cut_off == "pay/bank-1"
    assert drops.new_since(BEGAN)[0].sample is None


def test_what_was_heard_is_known_only_after_a_while():
    drops = DropMemory()
    assert not drops.covers(BEGAN)

    drops.since = BEGAN
    assert [drops.covers(BEGAN + each * SECOND) for each in (0, 29, 30)] == [False, False, True]


def test_the_pod_that_sent_last_is_looked_at_because_the_first_may_be_gone():
    drops = DropMemory()
    for pod in ("web-old", "web-new"):
        drops.note(drop(BEGAN, pod=pod), BEGAN)

    (cut,) = drops.new_since(BEGAN)
    assert cut.sample is not None
    assert cut.sample.pod == "web-new"


def test_what_was_forgotten_for_want_of_room_is_not_measured():
    drops = DropMemory(most=3)
    drops.since = BEGAN
    for number in range(3):
        drops.note(drop(BEGAN + 100 * SECOND, f"w{number}"), BEGAN)
    assert drops.covers(BEGAN + 90 * SECOND)

    drops.note(drop(BEGAN + 101 * SECOND, "w3"), BEGAN)

    assert not drops.covers(BEGAN + 90 * SECOND)  # w0, which dropped after that, is gone
    assert drops.covers(BEGAN + 130 * SECOND)


def test_how_long_a_way_was_quiet_is_never_more_than_was_heard():
    drops = DropMemory()
    drops.since = BEGAN
    drops.note(drop(BEGAN + 3600 * SECOND), BEGAN)

    assert [drops.new_since(BEGAN + each * SECOND)[0].quiet for each in (35, 3600)] == [35 * SECOND, NEW_AFTER_QUIET]
