"""One flow gives one record, whether it came as JSON from a file or as protobuf over gRPC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf import json_format

from sensors.access.relay.conversion import read_response
from sensors.hubble.decoding import read_line
from sensors.hubble.lines import FlowEndpoint, HubbleFlow, NodeStatus
from sensors.hubble.pb.cilium.flow.flow_pb2 import Flow
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsResponse
from sensors.hubble.wire import messages

ROOT = Path(__file__).resolve().parents[2]
RECORDED = [
    *sorted((ROOT / "lab" / "cases").glob("*/flows.jsonl")),
    *sorted((ROOT / "tests" / "captures" / "hubble").glob("*.jsonl")),
]


def serialised(line: bytes) -> bytes:
    return json_format.ParseDict(json.loads(line), GetFlowsResponse(), ignore_unknown_fields=True).SerializeToString()


def is_response(line: bytes) -> bool:
    return any(key in json.loads(line) for key in ("flow", "node_status", "lost_events"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name + "/" + path.name)
def test_every_recorded_message_gives_the_same_record_over_grpc_as_from_its_json(path):
    lines = [line for line in path.read_bytes().splitlines() if is_response(line)]

    over_grpc = [read_response(serialised(line)) for line in lines]

    assert over_grpc == [messages(read_line(line)) for line in lines]
    assert lines


def test_enum_numbers_newer_than_our_protos_stay_digits():
    response = GetFlowsResponse(flow=Flow(uuid="u", verdict=99, drop_reason_desc=250, traffic_direction=7, Type=12))

    read = read_response(response.SerializeToString())

    assert read == [
        HubbleFlow(uuid="u", verdict="99", drop_reason=250, drop_reason_name="250", direction="7", kind="12")
    ]


def test_the_reason_called_missing_ack_is_a_packet_too_large_to_send():
    response = GetFlowsResponse(flow=Flow(verdict=2, drop_reason_desc=136))

    (read,) = read_response(response.SerializeToString())

    assert (read.drop_reason, "ACK" in read.drop_reason_name) == (136, False)


def test_an_empty_flow_is_a_flow_about_which_nothing_was_said():
    assert read_response(GetFlowsResponse(flow=Flow()).SerializeToString()) == [HubbleFlow()]


def test_a_moment_outside_the_calendar_is_no_moment():
    flow = Flow(uuid="u")
    flow.time.seconds = 1 << 62

    (read,) = read_response(GetFlowsResponse(flow=flow, node_name="n").SerializeToString())

    assert read == HubbleFlow(uuid="u", node="n")


def test_a_state_newer_than_our_protos_is_passed_on():
    response = GetFlowsResponse(node_name="lab1", node_status={"state_change": 9, "node_names": ["lab2"]})
    response.time.FromDatetime(datetime(2026, 11, 23, tzinfo=UTC))

    assert read_response(response.SerializeToString()) == [
        NodeStatus("9", ("lab2",), time=datetime(2026, 11, 23, tzinfo=UTC))
    ]


@pytest.mark.parametrize("raw", [b"\x0a\xff\xff\xff\xff\x7f", b"\x12\x04\x12\x02\xc3\x28", b"hello"])
def test_bytes_that_are_no_message_are_told_from_messages_without_content(raw):
    assert read_response(raw) is None
    assert read_response(b"") == []


def test_secrets_in_headers_and_queries_do_not_come_along():
    flow = Flow(source={"namespace": "shop", "pod_name": "web"})
    flow.l7.http.url = "http://user:geheim@api/v1?token=geheim"
    flow.l7.http.headers.add(key="Authorization", value="Bearer geheim")

    (read,) = read_response(GetFlowsResponse(flow=flow).SerializeToString())

    assert read.source == FlowEndpoint(namespace="shop", pod="web")
    assert "geheim" not in repr(read)
