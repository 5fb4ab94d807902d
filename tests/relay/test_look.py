"""A whole look at a relay in a box, over real sockets: what comes, what is said to be missing, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest

from lab.observer import Manners, Node, ObserverServer, Ring
from lab.observer.cut import cut_after
from lab.observer.recording import messages_of
from sensors.access.casefolder import open_case
from sensors.access.relay import RelayLimits
from sensors.hubble.lines import FlowQuestion, LostEvents, read_flow_lines
from sensors.hubble_capture_flows import look as capture_flows
from sensors.kit import Blind
from sensors.kit.model import Target
from tests.relay.world import (
    CASE,
    POD,
    QUICK,
    ROOT,
    all_of,
    flows_in,
    reading_of,
    recorded,
    relay_at,
    renumbered,
    repeated,
    states_in,
)


def from_file(question):
    return [each for batch in read_flow_lines(CASE / "flows.jsonl", question) for each in batch]


async def test_a_relay_gives_the_flows_that_its_recording_gives():
    async with ObserverServer(recorded()) as server:
        messages = await all_of(relay_at(server.address))

    expected = flows_in(from_file(POD))
    assert {each.uuid: each for each in flows_in(messages)} == {each.uuid: each for each in expected}
    assert len(flows_in(messages)) == len(expected) > 100


async def test_a_quick_look_brings_the_pod_s_bad_verdicts_and_nothing_else():
    quick = replace(POD, context=False, others=False)
    async with ObserverServer(recorded()) as server:
        messages = await all_of(relay_at(server.address), quick)

    expected = [each.uuid for each in flows_in(from_file(POD)) if each.is_bad and POD.is_about(each)]
    assert sorted(each.uuid for each in flows_in(messages)) == sorted(expected)
    assert sorted(each.uuid for each in flows_in(from_file(quick))) == sorted(expected)
    assert expected


async def test_the_reading_tells_how_far_back_each_node_remembers():
    async with ObserverServer(recorded()) as server:
        messages = await all_of(relay_at(server.address))

    recording = from_file(FlowQuestion(last=0))[-1]
    assert reading_of(messages) == replace_flows(recording, flows=len(messages_of(CASE)))
    assert states_in(messages) == [("NODE_CONNECTED", ("lab1", "lab2"), "")]


def replace_flows(reading, flows):
    return type(reading)(flows=flows, horizons=reading.horizons)


async def test_a_sensor_sees_through_the_relay_what_it_sees_in_the_recording():
    case = open_case(CASE)
    target = Target(POD.pod, POD.namespace)
    async with ObserverServer(recorded()) as server:
        live = await capture_flows(target, Spliced(case, relay_at(server.address)))

    offline = await capture_flows(target, case)
    assert live.connections == offline.connections
    assert (live.drop_reasons, live.others_dropped) == (offline.drop_reasons, offline.others_dropped)
    assert live.packets_dropped > 0


class Spliced:
    """The recorded cluster with the relay's flows in place of the recorded ones."""

    def __init__(self, case, relay):
        self._case, self.hubble_flows = case, relay.hubble_flows

    def __getattr__(self, name):
        return getattr(self._case, name)


async def test_a_pod_whose_name_begins_with_the_asked_one_is_another_pod():
    mine = repeated(20)
    other = repeated(20, node="lab2")
    for number, each in enumerate(other.ring.messages):
        each.flow.source.pod_name += "-2"
        each.flow.verdict = 1
        each.flow.uuid = f"other-{number}"
    async with ObserverServer([mine, other]) as server:
        messages = await all_of(relay_at(server.address))

    assert {each.source.pod for each in flows_in(messages)} == {POD.pod}
    assert len(flows_in(messages)) == 20


async def test_a_server_that_ignores_filters_and_masks_is_filtered_here():
    nodes = recorded()
    for each in nodes:
        each.version = "cilium v1.13.4"
        each.ring.known_filters, each.ring.has_masks = frozenset(), False
    async with ObserverServer(nodes, Manners(version="hubble-relay v1.13.4")) as server:
        messages = await all_of(relay_at(server.address))
        masks = [list(each.field_mask.paths) for each in server.requests]

    flows = flows_in(messages)
    assert all(POD.is_about(each) or each.is_bad for each in flows)
    assert {each.uuid for each in flows} == {each.uuid for each in flows_in(from_file(replace_last(POD, 0)))}
    assert masks == [[]] * 6


def replace_last(question, last):
    return replace(question, last=last)


async def test_a_node_that_does_not_know_the_mask_is_asked_once_more_without():
    nodes = recorded()
    for each in nodes:
        each.ring = OldRing(each.ring.node, each.ring.messages)
    async with ObserverServer(nodes) as server:
        messages = await all_of(relay_at(server.address))

    assert len(flows_in(messages)) == len(flows_in(from_file(POD)))
    assert states_in(messages) == [("NODE_CONNECTED", ("lab1", "lab2"), "")]


class OldRing(Ring):
    """A node that says it is new and does not know one of the fields."""

    def mask(self, request):
        request.field_mask.paths.extend(["field_of_the_future"] if request.field_mask.paths else [])
        return super().mask(request)


async def test_what_two_questions_bring_is_one_flow():
    async with ObserverServer([repeated(50)]) as server:
        flows = flows_in(await all_of(relay_at(server.address)))

    assert len(flows) == len({each.uuid for each in flows}) == 50


async def test_flows_without_uuid_are_told_apart_by_all_they_say():
    node = repeated(1)
    for each in node.ring.messages:
        each.flow.uuid = ""
    async with ObserverServer([node]) as server:
        flows = flows_in(await all_of(relay_at(server.address)))

    assert len(flows) == 1


async def test_the_live_question_runs_before_the_past_is_asked_for():
    async with ObserverServer(recorded()) as server:
        await all_of(relay_at(server.address))
        follows = [each.follow for each in server.requests]

    assert follows == [True, False, False, False, False, False]


async def test_what_happens_during_the_look_is_part_of_it():
    node = repeated(3)
    async with ObserverServer([node]) as server:
        seen = []
        async for batch in relay_at(server.address, replace(QUICK, follow=5.0)).hubble_flows(POD):
            seen += flows_in(batch)
            if len(seen) == 3:
                server.push(renumbered(node.ring.messages[0], 99))
            if len(seen) == 4:
                break

    assert seen[-1].uuid.startswith("00000063")


async def test_a_deadline_of_the_server_is_a_normal_end_of_listening():
    async with ObserverServer(recorded(), Manners(idle_limit=0.05)) as server:
        messages = await all_of(relay_at(server.address, replace(QUICK, follow=2.0)))

    assert len(flows_in(messages)) == len(flows_in(from_file(POD)))
    assert not reading_of(messages).truncated


async def test_a_node_that_is_away_is_named():
    nodes = recorded()
    nodes[1].is_connected = False
    async with ObserverServer(nodes) as server:
        messages = await all_of(relay_at(server.address))

    assert states_in(messages) == [("NODE_CONNECTED", ("lab1",), ""), ("NODE_UNAVAILABLE", ("lab2",), "")]
    assert {each.node for each in flows_in(messages)} == {"lab1"}


async def test_a_node_that_fails_on_the_way_is_named_once_with_its_reason():
    nodes = recorded()
    nodes[1].fails_after = 3
    async with ObserverServer(nodes) as server:
        messages = await all_of(relay_at(server.address))

    assert states_in(messages) == [
        ("NODE_CONNECTED", ("lab1", "lab2"), ""),
        ("NODE_ERROR", ("lab2",), nodes[1].failure),
    ]


async def test_a_slow_node_costs_its_own_flows_and_not_the_others():
    nodes = recorded()
    nodes[1].delay = 30.0
    async with ObserverServer(nodes) as server:
        began = time.monotonic()
        messages = await all_of(relay_at(server.address, replace(QUICK, within=2.0)))
        took = time.monotonic() - began

    assert {each.node for each in flows_in(messages)} == {"lab1"}
    (connected, missing) = states_in(messages)
    assert connected == ("NODE_CONNECTED", ("lab1", "lab2"), "")
    assert missing[:2] == ("NODE_NO_ANSWER", ("lab2",))
    assert "drops: not answered to the end within 2 s" in missing[2]
    assert reading_of(messages).truncated
    assert took < 25  # its answer would take thirty seconds


async def test_lost_events_are_told_once_and_pass_every_filter():
    lost = messages_of(ROOT / "tests" / "captures" / "hubble" / "29-lost-events.jsonl")
    async with ObserverServer([Node(Ring("lab1", [*lost, *repeated(5).ring.messages]))]) as server:
        messages = await all_of(relay_at(server.address))

    told = [each for each in messages if isinstance(each, LostEvents)]
    assert sorted(each.count for each in told) == sorted(each.lost_events.num_events_lost for each in lost)
    assert len(told) == 4


async def test_garbage_is_counted_and_the_rest_is_read():
    async with ObserverServer([repeated(200)], Manners(garbage_every=10)) as server:
        messages = await all_of(relay_at(server.address))

    reading = reading_of(messages)
    assert 15 <= reading.garbage <= 25
    assert 170 <= len(flows_in(messages)) <= 200


async def test_a_connection_that_is_reset_leaves_what_had_come():
    async with (
        ObserverServer([repeated(2000)]) as server,
        cut_after(60_000, server.host, server.port) as wire,
    ):
        messages = await all_of(relay_at(wire))

    assert 0 < len(flows_in(messages)) < 2000
    assert reading_of(messages).truncated


async def test_a_server_that_hangs_up_leaves_what_had_come():
    async with ObserverServer([repeated(300)], Manners(hangs_up_after=100)) as server:
        messages = await all_of(relay_at(server.address))

    assert 90 <= len(flows_in(messages)) < 300
    assert reading_of(messages).truncated


async def test_a_server_that_cancels_the_questions_does_not_cancel_us():
    manners = Manners(refuses=grpc.StatusCode.CANCELLED, because="shutting down")
    async with ObserverServer(recorded(), manners) as server:
        with pytest.raises(Blind, match="shutting down"):
            await all_of(relay_at(server.address))


async def test_a_flood_is_cut_at_the_bound_and_said_to_be_cut():
    few = repeated(1000).ring.messages
    node = Node(Ring("lab1", few * 200))
    async with ObserverServer([node]) as server:
        pace = replace(QUICK, most_messages=1500)
        messages = await all_of(relay_at(server.address, pace), replace(POD, last=0, others=False))

    assert len(node.ring.messages) == 200_000
    assert len(flows_in(messages)) <= 1000
    assert reading_of(messages).truncated


async def test_nodes_that_are_connected_and_say_nothing_are_not_called_disconnected():
    async with ObserverServer([Node(Ring("lab1"), delay=60), Node(Ring("lab2"), delay=60)]) as server:
        with pytest.raises(Blind, match=r"no flow came within 1.5 s, though it reaches lab1, lab2; ask again"):
            await all_of(relay_at(server.address, replace(QUICK, within=1.5)))


async def test_leaving_early_closes_every_call():
    async with ObserverServer([repeated(3000)]) as server:
        async with contextlib.aclosing(relay_at(server.address, replace(QUICK, follow=60.0)).hubble_flows(POD)) as look:
            async for batch in look:
                if flows_in(batch):
                    break

        await asyncio.wait_for(server.until_open(0), 60)


async def test_being_cancelled_closes_every_call():
    async with ObserverServer([repeated(3)]) as server:
        look = asyncio.create_task(all_of(relay_at(server.address, RelayLimits(follow=60.0, within=60.0))))
        await server.until_open(1)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look

        await asyncio.wait_for(server.until_open(0), 60)


async def test_an_agent_is_asked_like_a_relay_and_knows_only_itself():
    async with ObserverServer(recorded()[:1], Manners(is_agent=True)) as server:
        relay = relay_at(server.address)
        messages, status = await all_of(relay), await relay.status()

    assert {each.node for each in flows_in(messages)} == {"lab1"}
    assert states_in(messages) == []
    assert status.is_agent
    assert "the agent of one node, not the relay" in status.summary()


async def test_an_agents_own_socket_is_as_good_as_an_address(tmp_path):
    socket = f"unix://{tmp_path}/hubble.sock"
    async with ObserverServer(recorded()[:1], Manners(is_agent=True), host=socket):
        flows = flows_in(await all_of(relay_at(socket)))

    assert {each.node for each in flows} == {"lab1"}


async def test_a_socket_that_is_not_there_is_blindness(tmp_path):
    with pytest.raises(Blind, match="the connection fails"):
        await all_of(relay_at(f"unix://{tmp_path}/hubble.sock"))


async def test_a_window_in_the_past_brings_only_what_lies_in_it():
    whole = [each.time for each in flows_in(from_file(POD))]
    since = min(whole) + timedelta(seconds=3)
    until = since + timedelta(seconds=5)
    async with ObserverServer(recorded()) as server:
        flows = flows_in(await all_of(relay_at(server.address), replace(POD, since=since, until=until)))

    assert len(flows) == sum(since <= each <= until for each in whole) > 0


async def test_no_pod_means_every_flow():
    async with ObserverServer(recorded()) as server:
        flows = flows_in(await all_of(relay_at(server.address), FlowQuestion(last=0)))

    assert len(flows) == sum(each.HasField("flow") for each in messages_of(CASE))


async def test_a_pod_without_flows_is_told_from_a_relay_without_flows():
    nobody = FlowQuestion("checkout", "nobody", others=False)
    async with ObserverServer(recorded()) as full, ObserverServer([Node(Ring("lab1"))]) as empty:
        of_nobody = reading_of(await all_of(relay_at(full.address), nobody))
        of_nothing = reading_of(await all_of(relay_at(empty.address), nobody))

    assert (of_nobody.flows, len(of_nobody.horizons)) == (274, 2)
    assert (of_nothing.flows, of_nothing.horizons) == (0, ())


async def test_a_relay_without_a_single_connected_node_is_blindness():
    nodes = recorded()
    for each in nodes:
        each.is_connected = False
    async with ObserverServer(nodes) as server:
        with pytest.raises(Blind, match="none of its nodes is connected"):
            await all_of(relay_at(server.address))


async def test_the_status_tells_nodes_memory_and_who_is_away():
    nodes = recorded()
    nodes[1].is_connected = False
    async with ObserverServer(nodes) as server:
        status = await relay_at(server.address).status()

    assert (status.connected, status.unavailable, status.flows, status.most_flows) == (1, ("lab2",), 183, 4095)
    assert status.summary() == (
        f"{server.address}: hubble-relay v1.19.6+glab, 1 node connected, 1 unavailable (lab2); "
        f"rings hold 183 of 4095 flows, about {status.memory_s:.0f} s at {status.rate:.1f} flows/s"
    )
