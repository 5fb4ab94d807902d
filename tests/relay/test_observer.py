"""The relay in a box gives the answers that a real relay gave to the same questions (captures 28b and 28c)."""

from __future__ import annotations

import json
import subprocess
import sys

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format

from lab.observer import Node, ObserverServer, Ring
from lab.observer.filters import BadFilter, passes
from lab.observer.recording import messages_of, rings_of
from sensors.hubble.pb.cilium.flow.flow_pb2 import AUDIT, DROPPED, EventTypeFilter, Flow, FlowFilter, Workload
from sensors.hubble.pb.cilium.observer import observer_pb2 as hubble
from tests.relay.world import CASE, ROOT, recorded, relay_at

CAPTURES = ROOT / "tests" / "captures" / "hubble"


def capture(name):
    """A wire recording as (question, answers)."""
    (path,) = CAPTURES.glob(f"{name}-*.jsonl")
    said: dict[str, list] = {}
    question = ""
    for line in path.read_text().splitlines():
        each = json.loads(line)
        question = each.get("rpc", question)
        said.setdefault(question, [])
        if "rpc" not in each:
            said[question].append(each)
    return said


def shape(value):
    """What a message is made of: its keys, all the way down, without the values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def as_json(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


async def ask(server, call, request, answer):
    async with grpc.aio.insecure_channel(server.address) as channel:
        return await channel.unary_unary(
            f"/observer.Observer/{call}", type(request).SerializeToString, answer.FromString
        )(request)


async def flows(server, request):
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = channel.unary_stream(
            "/observer.Observer/GetFlows", hubble.GetFlowsRequest.SerializeToString, hubble.GetFlowsResponse.FromString
        )(request)
        return [each async for each in call], dict(await call.initial_metadata())


def nodes_of_capture(said, away):
    """The flows of a wire recording, back in their nodes, and the node that was away."""
    told = [json_format.ParseDict(each, hubble.GetFlowsResponse()) for each in said["flows 2"] if "flow" in each]
    rings = {ring.node: ring for ring in rings_of(told)}
    names = [each["name"] for each in said["nodes"][0]["nodes"]]
    return [Node(rings.get(name, Ring(name)), is_connected=name not in away) for name in names]


@pytest.mark.parametrize(("name", "away"), [("28b", {"lab2"}), ("28c", set())])
async def test_the_last_two_flows_come_in_the_order_and_shape_of_the_real_relay(name, away):
    real = capture(name)["flows 2"]
    async with ObserverServer(nodes_of_capture(capture(name), away)) as server:
        answers, headers = await flows(server, hubble.GetFlowsRequest(number=2))

    ours = [as_json(each) for each in answers]
    assert [shape(each) for each in ours] == [shape(each) for each in real]
    assert [each for each in ours if "flow" in each] == [each for each in real if "flow" in each]
    assert [sorted(each["node_status"]["node_names"]) for each in ours if "node_status" in each] == [
        sorted(each["node_status"]["node_names"]) for each in real if "node_status" in each
    ]
    assert headers["hubble-relay-version"].startswith("hubble-relay v")


@pytest.mark.parametrize(("name", "away"), [("28b", {"lab2"}), ("28c", set())])
async def test_nodes_and_status_have_the_shape_of_the_real_relays(name, away):
    real = capture(name)
    async with ObserverServer(nodes_of_capture(real, away)) as server:
        nodes = await ask(server, "GetNodes", hubble.GetNodesRequest(), hubble.GetNodesResponse)
        status = await ask(server, "ServerStatus", hubble.ServerStatusRequest(), hubble.ServerStatusResponse)
        spaces = await ask(server, "GetNamespaces", hubble.GetNamespacesRequest(), hubble.GetNamespacesResponse)

    (real_nodes,), (real_status,) = real["nodes"], real["status"]
    without_address = [{key: each[key] for key in each if key != "address"} for each in real_nodes["nodes"]]
    assert [shape(each) for each in as_json(nodes)["nodes"]] == [shape(each) for each in without_address]
    assert [each["state"] for each in as_json(nodes)["nodes"]] == [each["state"] for each in real_nodes["nodes"]]
    assert shape(as_json(status)) == shape(real_status)
    assert (status.num_connected_nodes.value, list(status.unavailable_nodes)) == (
        real_status["num_connected_nodes"],
        real_status.get("unavailable_nodes", []),
    )
    assert as_json(spaces) == real["ns"][0]


@pytest.mark.parametrize("call", ["GetAgentEvents", "GetDebugEvents"])
async def test_what_a_relay_does_not_offer_is_unimplemented(call):
    async with ObserverServer(recorded()) as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(server, call, hubble.GetAgentEventsRequest(), hubble.GetAgentEventsResponse)

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_first_and_follow_together_are_refused():
    async with ObserverServer(recorded()) as server:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await flows(server, hubble.GetFlowsRequest(first=True, follow=True))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_filter_nobody_knows_is_an_error_of_every_node():
    async with ObserverServer(recorded()) as server:
        answers, _ = await flows(server, hubble.GetFlowsRequest(whitelist=[FlowFilter(protocol=["carrier pigeon"])]))

    assert as_json(answers[-1])["node_status"] == {
        "state_change": "NODE_ERROR",
        "node_names": ["lab1", "lab2"],
        "message": "unknown protocol: 'carrier pigeon'",
    }


def ring():
    return next(each for each in rings_of(messages_of(CASE)) if each.node == "lab1")


def test_a_recording_is_parsed_once_until_it_changes_and_nobody_shares_its_messages(tmp_path):
    file = tmp_path / "flows.jsonl"
    lines = (CASE / "flows.jsonl").read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2]))
    first = messages_of(file)
    first[0].node_name = "changed"

    assert messages_of(file)[0].node_name != "changed"
    file.write_text("".join(lines[:3]))
    assert len(messages_of(file)) == len(first) + 1


def test_a_number_keeps_the_newest_that_match_and_first_the_oldest():
    node = ring()
    drops = [FlowFilter(verdict=[DROPPED])]
    matching = [each for each in node.messages if each.flow.verdict == DROPPED]

    newest = list(node.answer(hubble.GetFlowsRequest(number=3, whitelist=drops)))
    oldest = list(node.answer(hubble.GetFlowsRequest(number=3, first=True, whitelist=drops)))
    whole = list(node.answer(hubble.GetFlowsRequest(whitelist=drops)))

    assert (newest, oldest, whole) == (matching[-3:], matching[:3], matching)


def test_next_to_since_a_number_keeps_the_oldest():
    node = ring()
    since = node.messages[50].flow.time

    assert list(node.answer(hubble.GetFlowsRequest(number=2, since=since))) == node.messages[50:52]


def test_until_ends_the_answer():
    node = ring()

    assert list(node.answer(hubble.GetFlowsRequest(until=node.messages[9].flow.time))) == node.messages[:10]


def test_to_follow_from_now_on_replays_nothing():
    assert list(ring().answer(hubble.GetFlowsRequest(follow=True))) == []
    assert len(list(ring().answer(hubble.GetFlowsRequest(follow=True, number=5)))) == 5


def test_a_mask_leaves_only_what_was_asked_for():
    request = hubble.GetFlowsRequest(number=1)
    request.field_mask.paths.extend(["uuid", "source.pod_name"])

    (slim,) = ring().answer(request)

    assert {each.name for each, _ in slim.flow.ListFields()} <= {"uuid", "source"}
    assert slim.flow.uuid


FLOW = json_format.ParseDict(
    {
        "uuid": "u-1",
        "verdict": "DROPPED",
        "IP": {"source": "10.0.0.7", "destination": "fd00::1", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 443, "flags": {"SYN": True, "ECE": True}}},
        "source": {
            "namespace": "shop",
            "pod_name": "client-1",
            "identity": 42,
            "labels": ["k8s:app=client", "k8s:tier=front"],
            "workloads": [{"kind": "Deployment", "name": "client"}],
        },
        "destination": {"identity": 2, "labels": ["reserved:world"]},
        "destination_names": ["api.example.com"],
        "event_type": {"type": 1, "sub_type": 133},
        "drop_reason_desc": "POLICY_DENIED",
        "traffic_direction": "EGRESS",
        "node_name": "lab1",
    },
    Flow(),
)


@pytest.mark.parametrize(
    ("filter_", "is_let_through"),
    [
        (FlowFilter(source_pod=["shop/client"]), True),  # a prefix
        (FlowFilter(source_pod=["shop/"]), True),
        (FlowFilter(source_pod=["/client"]), True),
        (FlowFilter(source_pod=["client-1"]), False),  # means the namespace `default`
        (FlowFilter(source_pod=["shop/client-1-x"]), False),
        (FlowFilter(destination_pod=["shop/"]), False),
        (FlowFilter(source_pod=["shop/x", "shop/client"]), True),
        (FlowFilter(source_pod=["shop/client"], verdict=[AUDIT]), False),  # fields are ANDed
        (FlowFilter(verdict=[AUDIT, DROPPED]), True),
        (FlowFilter(source_ip=["10.0.0.0/24"]), True),
        (FlowFilter(destination_ip=["fd00::1"]), True),
        (FlowFilter(source_ip=["10.0.1.0/24"]), False),
        (FlowFilter(destination_port=["80", "443"]), True),
        (FlowFilter(source_port=["443"]), False),
        (FlowFilter(protocol=["udp", "TCP"]), True),
        (FlowFilter(protocol=["dns"]), False),
        (FlowFilter(source_label=["app=client"]), True),
        (FlowFilter(source_label=["k8s:app=client,tier=front"]), True),
        (FlowFilter(destination_label=["reserved:world"]), True),
        (FlowFilter(source_label=["app=web"]), False),
        (FlowFilter(source_identity=[42]), True),
        (FlowFilter(event_type=[EventTypeFilter(type=1)]), True),
        (FlowFilter(event_type=[EventTypeFilter(type=1, match_sub_type=True, sub_type=181)]), False),
        (FlowFilter(reply=[False]), False),  # a drop is neither question nor reply
        (FlowFilter(uuid=["u-1"]), True),
        (FlowFilter(node_name=["lab*"]), True),
        (FlowFilter(node_name=["lab2"]), False),
        (FlowFilter(destination_fqdn=["*.example.com"]), True),
        (FlowFilter(source_workload=[Workload(name="client")]), True),
        (FlowFilter(tcp_flags=[{"SYN": True}]), True),
        (FlowFilter(tcp_flags=[{"SYN": True, "ACK": True}]), False),
        (FlowFilter(), True),
    ],
    ids=str,
)
def test_filters_let_through_what_an_agents_filters_let_through(filter_, is_let_through):
    assert passes(FLOW, [filter_], []) is is_let_through
    assert passes(FLOW, [], [filter_]) is not is_let_through


def test_a_filter_that_is_not_played_here_is_refused_and_an_old_server_ignores_it():
    unknown = FlowFilter(trace_id=["x"])

    with pytest.raises(BadFilter, match="trace_id"):
        passes(FLOW, [unknown], [])
    assert passes(FLOW, [unknown], [], known=frozenset({"verdict"}))


async def test_it_can_be_started_by_hand():
    command = [sys.executable, "-m", "lab.observer", str(CASE), "--port", "0", "--away", "lab2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:  # noqa: ASYNC220
        assert started.stdout is not None
        line = started.stdout.readline()
        status = await relay_at(line.split()[2]).status()
        started.terminate()

    assert "for lab1 (183), lab2 (91)" in line
    assert (status.connected, status.unavailable) == (1, ("lab2",))


async def test_health_is_served_for_probes():
    async with ObserverServer(recorded()) as server, grpc.aio.insecure_channel(server.address) as channel:
        answer = await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")

    assert answer == b"\x08\x01"
