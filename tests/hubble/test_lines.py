"""Reading hubble flows: every form Hubble writes, and nothing that crashes on what it does not."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.hubble.lines import (
    DatapathPolicy,
    Dns,
    FlowEndpoint,
    FlowQuestion,
    FlowReading,
    Http,
    HubbleFlow,
    HubbleMessage,
    LostEvents,
    NodeStatus,
    UnreadableFlows,
    Workload,
    read_flow_lines,
)
from tests.kit.hubble_captures import EVERYTHING, FOLDER, hubble_flows, messages, path, raw

CLIENT = "client-6fc9d7cff9-qflgv"


def read(source: bytes, question: FlowQuestion = EVERYTHING) -> list[HubbleMessage]:
    return [each for batch in read_flow_lines(io.BytesIO(source), question) for each in batch]


def lines(rows: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def one(row: dict[str, Any]) -> HubbleFlow:
    flow, reading = read(lines([row]))
    assert isinstance(reading, FlowReading)
    assert isinstance(flow, HubbleFlow)
    return flow


def camel(value: Any) -> Any:
    """As protobuf's own JSON spells it."""
    if isinstance(value, list):
        return [camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {re.sub("_([a-z])", lambda letter: letter[1].upper(), key): camel(each) for key, each in value.items()}


# -- what a flow says ------------------------------------------------------------------------------------------------


def test_a_refused_packet_is_read_whole() -> None:
    flow = hubble_flows("03")[1]

    assert flow == HubbleFlow(
        time=datetime(2026, 11, 23, 20, 26, 0, 857822, tzinfo=UTC),
        uuid="cf2c130b-aa3e-478e-8a36-1bdff70fbebc",
        verdict="DROPPED",
        drop_reason=133,
        drop_reason_name="POLICY_DENIED",
        kind="L3_L4",
        event=1,
        event_sub=133,
        direction="EGRESS",
        source=FlowEndpoint(
            "10.244.0.245",
            5609,
            (
                "k8s:app=client",
                "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
                "k8s:io.cilium.k8s.policy.cluster=default",
                "k8s:io.cilium.k8s.policy.serviceaccount=default",
                "k8s:io.kubernetes.pod.namespace=shop",
            ),
            "shop",
            CLIENT,
            (Workload("Deployment", "client"),),
            id=120,
            cluster="default",
        ),
        destination=FlowEndpoint("203.0.113.10", 2, ("reserved:world",)),
        source_port=40028,
        destination_port=443,
        ip_version=4,
        protocol="TCP",
        flags=frozenset({"SYN"}),
        node="lab1",
        file="bpf_lxc.c:1533",
    )


def test_every_capture_is_read_to_the_last_line() -> None:
    for capture in sorted(FOLDER.glob("*.jsonl")):
        reading = [each for batch in read_flow_lines(capture, EVERYTHING) for each in batch][-1]

        assert isinstance(reading, FlowReading)
        assert (capture.name, reading.flows) == (
            capture.name,
            capture.read_text().count('"flow":') + capture.read_text().count('"flow" :'),
        )
        assert (reading.garbage, reading.truncated) == (0, False)


def test_explicit_denies_and_allows_name_their_policy() -> None:
    denied = [each.egress_denied_by for each in hubble_flows("32") if each.egress_denied_by]
    allowed = [each.ingress_allowed_by for each in hubble_flows("08") if each.ingress_allowed_by]

    assert denied == [(DatapathPolicy("CiliumClusterwideNetworkPolicy", "", "block-test-net"),)] * 4
    assert allowed == [(DatapathPolicy("NetworkPolicy", "shop", "web-ingress"),)]


def test_a_policy_of_an_old_agent_gets_its_kind_from_the_label() -> None:
    row = next(each for each in raw("32") if "egress_denied_by" in each["flow"])
    del row["flow"]["egress_denied_by"][0]["kind"]

    flow = one(row)

    assert flow.egress_denied_by == (DatapathPolicy("CiliumClusterwideNetworkPolicy", "", "block-test-net"),)


def test_dns_answers_tell_rcode_and_addresses_and_questions_do_not() -> None:
    asked, answered = (each.dns for each in hubble_flows("33") if each.dns)

    assert asked == Dns("nosuch.shop.svc.cluster.local.", ("A",), None, (), "proxy")
    assert answered == Dns("nosuch.shop.svc.cluster.local.", ("A",), 3, (), "proxy")


def test_an_answer_without_an_rcode_is_a_good_one() -> None:
    answers = [each.dns for each in hubble_flows("20") if each.dns and each.dns.rcode is not None]

    assert answers == [Dns("api.example.com.", ("A",), 0, ("203.0.113.10",), "proxy")]


def test_a_name_refused_by_the_proxy_is_dropped_without_a_reason() -> None:
    (refused,) = (each for each in hubble_flows("20") if each.verdict == "DROPPED")

    assert (refused.kind, refused.event, refused.drop_reason, refused.drop_reason_name) == ("L7", 129, 0, "")


def test_secrets_of_http_never_reach_a_record() -> None:
    row = raw("02")[0]
    row["flow"]["l7"] = {
        "type": "REQUEST",
        "http": {
            "method": "GET",
            "url": "http://user:hunter2@shop.example/pay/42?token=hunter2#hunter2",
            "headers": [{"key": "Authorization", "value": "Bearer hunter2"}],
        },
    }

    flow = one(row)

    assert flow.http == Http("GET", "/pay/42", "shop.example", 0)
    assert "hunter2" not in repr(flow)


def test_names_of_the_dns_proxy_are_read() -> None:
    names = {each.destination.names for each in hubble_flows("21") if each.verdict == "DROPPED"}

    assert names == {("api.example.com",)}


def test_per_packet_translation_keeps_the_service_address() -> None:
    assert {each.source_xlated for each in hubble_flows("23")} == {"", "10.96.0.10", "10.96.106.35"}


# -- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["07", "19", "20", "24", "27", "32"])
def test_lower_camel_case_means_the_same(name: str) -> None:
    assert read(lines(camel(raw(name)))) == messages(name)


@pytest.mark.parametrize("name", ["07", "20", "32"])
def test_a_bare_flow_means_the_same(name: str) -> None:
    assert read(lines(each["flow"] for each in raw(name))) == messages(name)


def test_exporter_lines_without_uuid_and_with_few_fields_are_read() -> None:
    kept = ("time", "verdict", "IP", "l4", "drop_reason_desc", "event_type")
    masked = [
        {"node_name": "lab1", "flow": {key: each["flow"][key] for key in kept if key in each["flow"]}}
        for each in raw("03")
    ]

    flows = read(lines(masked))[:-1]

    assert [(each.verdict, each.drop_reason, each.node) for each in flows] == [("DROPPED", 133, "lab1")] * 8  # type: ignore[union-attr]


def test_numbers_in_place_of_enum_names_mean_the_same() -> None:
    row = raw("03")[1]
    numbered = {"verdict": 2, "drop_reason_desc": 133, "Type": 1, "traffic_direction": 2}

    assert one({**row, "flow": {**row["flow"], **numbered}}) == one(row)


def test_enum_values_newer_than_us_stay_what_they_were() -> None:
    row = raw("03")[1]
    news = {
        "verdict": "TELEPORTED",
        "drop_reason": 250,
        "drop_reason_desc": "NEW_REASON",
        "Type": 9,
        "brand_new": {"a": [1]},
    }

    flow = one({**row, "flow": {**row["flow"], **news}})

    assert (flow.verdict, flow.drop_reason, flow.drop_reason_name, flow.kind) == ("TELEPORTED", 250, "NEW_REASON", "9")


def test_a_reason_known_only_by_name_gets_its_number() -> None:
    row = raw("03")[1]
    del row["flow"]["drop_reason"]

    assert one(row).drop_reason == 133


def test_one_field_of_the_wrong_type_costs_only_itself() -> None:
    row = raw("03")[1]
    bent: dict[str, Any] = {
        "source": {**row["flow"]["source"], "labels": ["k8s:app=client", 7, None], "identity": "many"},
        "node_labels": 1,
        "is_reply": None,
        "policy_log": "x",
        "file": [],
        "event_type": {"type": "1"},
        "proxy_port": {},
    }

    flow = one({**row, "flow": {**row["flow"], **bent}})

    assert flow.source.labels == ("k8s:app=client",)
    assert (flow.source.identity, flow.source.pod, flow.event, flow.file, flow.drop_reason) == (0, CLIENT, 1, "", 133)


def test_64_bit_numbers_come_as_text() -> None:
    row = raw("02")[0]
    row["flow"] |= {"socket_cookie": "18446744073709551615", "sock_xlate_point": 2}

    flow = one(row)

    assert (flow.socket_cookie, flow.sock_point) == (2**64 - 1, "SOCK_XLATE_POINT_POST_DIRECTION_FWD")


# -- messages that are not flows -------------------------------------------------------------------------------------


def test_the_relay_tells_which_node_is_silent() -> None:
    told = [each for each in messages("28b") if isinstance(each, NodeStatus)]

    assert [(each.state, each.nodes) for each in told] == [
        ("NODE_CONNECTED", ("lab1",)),
        ("NODE_UNAVAILABLE", ("lab2",)),
        ("NODE_CONNECTED", ("lab1",)),  # from GetNodes
        ("NODE_UNAVAILABLE", ("lab2",)),
    ]


def test_a_failing_agent_is_told_with_its_error() -> None:
    (told,) = (each for each in messages("28a") if isinstance(each, NodeStatus))

    assert (told.state, told.nodes) == ("NODE_ERROR", ("lab2",))
    assert "connection refused" in told.message


def test_lines_that_hold_no_flow_are_counted_apart_from_garbage() -> None:
    reading = messages("28c")[-1]

    assert isinstance(reading, FlowReading)
    assert (reading.flows, reading.other, reading.garbage) == (4, 6, 0)


def test_lost_events_are_numbers_with_a_window() -> None:
    first, *_ = lost = [each for each in messages("29") if isinstance(each, LostEvents)]

    assert [(each.source, each.count) for each in lost] == [
        ("HUBBLE_RING_BUFFER", 29607),
        ("OBSERVER_EVENTS_QUEUE", 16398),
        ("HUBBLE_RING_BUFFER", 25576),
        ("OBSERVER_EVENTS_QUEUE", 2240),
    ]
    assert first.first == datetime(2026, 11, 23, 20, 40, 29, 933886, tzinfo=UTC)


def test_each_node_has_a_horizon_of_its_own() -> None:
    reading = messages("07")[-1]

    assert isinstance(reading, FlowReading)
    assert [(each.node, round((each.last - each.first).total_seconds(), 2)) for each in reading.horizons] == [
        ("lab1", 0.01),
        ("lab2", 3.06),
    ]


# -- sources ---------------------------------------------------------------------------------------------------------


def test_gzip_is_known_by_its_bytes_and_may_have_members(tmp_path: Path) -> None:
    text = path("07").read_bytes()
    middle = text.index(b"\n", len(text) // 2) + 1
    packed = tmp_path / "flows.jsonl"
    packed.write_bytes(gzip.compress(text[:middle]) + gzip.compress(text[middle:]) + b"\0" * 512)

    assert [each for batch in read_flow_lines(packed, EVERYTHING) for each in batch] == messages("07")


def test_a_recording_that_breaks_off_is_read_up_to_the_break() -> None:
    text = path("03").read_bytes()

    *flows, reading = read(text[:-200])

    assert flows == messages("03")[:7]
    assert isinstance(reading, FlowReading)
    assert (reading.truncated, reading.garbage) == (True, 0)


def test_a_last_line_without_its_end_may_be_whole() -> None:
    assert read(path("03").read_bytes().rstrip(b"\n")) == messages("03")


def test_an_archive_that_breaks_off_is_read_up_to_the_break() -> None:
    text = path("07").read_bytes()

    *flows, reading = read(gzip.compress(text)[:-400])

    assert flows
    assert flows == messages("07")[: len(flows)]
    assert isinstance(reading, FlowReading)
    assert reading.truncated


def test_garbage_is_counted_and_its_first_line_named() -> None:
    good = path("03").read_bytes().splitlines(keepends=True)
    bad = [
        b"not json\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"\xff\xfe\n",
        b'{"flow": 7}\n',
        b"[" * 100_000 + b"\n",
        b"\n",
        b"\r\n",
    ]

    reading = read(b"".join([*good[:2], *bad, *good[2:]]))[-1]

    assert isinstance(reading, FlowReading)
    assert (reading.flows, reading.garbage, reading.first_garbage, reading.truncated) == (8, 6, 3, False)


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    assert read(b"\xef\xbb\xbf" + path("03").read_bytes().replace(b"\n", b"\r\n")) == messages("03")


def test_an_endless_line_is_garbage_and_not_memory() -> None:
    *flows, reading = read(b"x" * (9 << 20) + b"\n" + path("03").read_bytes())

    assert flows == messages("03")[:-1]
    assert isinstance(reading, FlowReading)
    assert reading.garbage == 1


@pytest.mark.parametrize("source", [b"hello\n", b"\x7fELF\0\0\0" * 99, b'{"a": 1}\n', b'{"flow"', b"oops\n" * 5000])
def test_a_source_without_anything_understood_is_an_error_that_says_what_was_expected(source: bytes) -> None:
    with pytest.raises(UnreadableFlows, match=r"^line 1 is not a hubble flow.*hubble observe -o jsonpb.*$"):
        read(source)


def test_an_empty_source_is_a_reading_of_nothing() -> None:
    assert read(b"") == [FlowReading()]


# -- questions -------------------------------------------------------------------------------------------------------


def test_a_pod_is_asked_for_by_its_exact_name() -> None:
    twin = json.loads(json.dumps(raw("03")).replace(CLIENT, CLIENT + "-2"))
    question = FlowQuestion("shop", CLIENT, others=False)

    flows = read(lines([*twin, *raw("03")]), question)[:-1]

    assert {each.source.pod for each in flows} == {CLIENT}  # type: ignore[union-attr]
    assert len(flows) == 8


def test_the_same_name_in_another_namespace_is_another_pod() -> None:
    assert len(read(lines(raw("03")), FlowQuestion("payments", CLIENT, others=False))) == 1


def test_drops_of_others_are_brought_when_asked_for() -> None:
    question = FlowQuestion("kube-system", "coredns-6f5d4d5d8c-84qx8", last=0)

    with_others = [each for each in messages("08", question) if isinstance(each, HubbleFlow)]

    assert {(each.verdict, question.is_about(each)) for each in with_others} == {
        ("FORWARDED", True),
        ("DROPPED", False),
    }


def test_drops_are_never_cut_and_context_is_the_newest_per_node() -> None:
    question = FlowQuestion("shop", "web-7f9794c6d4-zm6sk", last=2)

    flows = [each for each in messages("08", question) if isinstance(each, HubbleFlow) and question.is_about(each)]

    wanted = [each for each in hubble_flows("08") if question.is_about(each)]
    newest = [each for node in ("lab1", "lab2") for each in [w for w in wanted if w.node == node and not w.is_bad][-2:]]
    assert sorted(each.uuid for each in flows) == sorted(
        each.uuid for each in [*newest, *(w for w in wanted if w.is_bad)]
    )


def test_the_window_is_kept_and_the_horizon_is_not() -> None:
    middle = datetime(2026, 11, 23, 20, 26, 2, tzinfo=UTC)

    early = messages("03", FlowQuestion(last=0, until=middle))
    late = messages("03", FlowQuestion(last=0, since=middle))

    assert len(early) + len(late) == 8 + 2
    assert early[-1] == late[-1] == messages("03")[-1]


def test_a_pod_nobody_named_yet_is_known_by_its_address() -> None:
    question = FlowQuestion("shop", "tour-guide", addresses=frozenset({"172.30.0.100"}), others=False)

    flows = messages("26", question)[:-1]

    assert {each.source.ip for each in flows} == {"172.30.0.100"}  # type: ignore[union-attr]


def test_a_host_network_pod_is_known_by_address_and_port() -> None:
    addresses = frozenset({"10.244.0.11"})

    asked = FlowQuestion("ops", "probe", addresses, frozenset({8080}), others=False)
    other = FlowQuestion("ops", "probe", addresses, frozenset({9090}), others=False)

    assert sum(isinstance(each, HubbleFlow) for each in messages("35", asked)) == 13
    assert sum(isinstance(each, HubbleFlow) for each in messages("35", other)) == 0


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize(
    "question",
    [
        FlowQuestion("shop", CLIENT),
        FlowQuestion("shop", CLIENT, frozenset({"10.244.0.245"})),
        FlowQuestion("ops", "probe", frozenset({"10.244.0.11", "172.30.0.11"}), frozenset({8080, 6443})),
        FlowQuestion("", "", frozenset()),
    ],
)
def test_what_is_brought_is_what_the_question_means(question: FlowQuestion, others: bool) -> None:
    question = replace(question, last=0, others=others)
    for capture in sorted(FOLDER.glob("*.jsonl")):
        name = capture.name.partition("-")[0]

        brought = [each for each in messages(name, question) if isinstance(each, HubbleFlow)]

        assert brought == [each for each in hubble_flows(name) if question.is_about(each) or (others and each.is_bad)]


def test_a_masked_drop_event_without_a_verdict_is_a_drop() -> None:
    row = {"flow": {key: raw("03")[1]["flow"][key] for key in ("time", "IP", "event_type", "node_name")}}

    flow, _ = read(lines([row]), FlowQuestion("shop", "somebody-else", last=0))

    assert isinstance(flow, HubbleFlow)
    assert (flow.verdict, flow.drop_reason, flow.is_bad) == ("DROPPED", 133, True)


# -- robustness ------------------------------------------------------------------------------------------------------

FIELDS = sorted({key for name in ("19", "21") for each in raw(name) for key in each["flow"]} | {"lost_events", "nodes"})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["DROPPED", "2026-11-23T20:26:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
GOOD = path("03").read_bytes()


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(junk: bytes) -> None:
    *_, reading = read(GOOD + junk)

    assert isinstance(reading, FlowReading)
    assert reading.flows >= 8


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    st.sampled_from(["flow", "lost_events", "node_status", "x"]),
)
def test_no_well_formed_nonsense_crashes_the_reader(nonsense: dict[str, Any], wrapping: str) -> None:
    row = json.dumps({wrapping: {"verdict": "DROPPED", **nonsense}, **nonsense}).encode()

    *_, reading = read(GOOD + row + b"\n")

    assert isinstance(reading, FlowReading)
    assert reading.flows + reading.garbage + reading.other >= 8


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_no_damaged_line_crashes_the_reader(where: int, bytes_: bytes) -> None:
    line = GOOD.splitlines()[0]
    damaged = line[: where % len(line)] + bytes_ + line[where % len(line) + 1 :]

    *_, reading = read(GOOD + damaged + b"\n")

    assert isinstance(reading, FlowReading)


def test_records_become_json_as_they_are() -> None:
    flow = hubble_flows("19")[2]

    assert msgspec.convert(msgspec.to_builtins(flow), HubbleFlow) == flow


def test_a_time_without_a_zone_is_no_time() -> None:
    row = raw("03")[0]
    row["flow"]["time"] = row["time"] = "2026-11-23T20:26:00"

    assert one(row).time is None


def test_the_order_of_lines_does_not_decide_what_is_newest() -> None:
    shuffled = [*raw("02")[3:], *raw("02")[:3]]

    flows = read(lines(shuffled), FlowQuestion("shop", CLIENT, last=3))[:-1]

    times = [each.time for each in flows if isinstance(each, HubbleFlow) and each.time]
    assert times == sorted(times)
    assert min(times) > max(each.time for each in hubble_flows("02")[:4] if each.time) - timedelta(microseconds=1)


# -- other writers, other layouts --------------------------------------------------------------------------------------

DROP = {
    "flow": {
        "time": "2026-11-20T09:58:00.1Z",
        "verdict": "DROPPED",
        "drop_reason": 133,
        "IP": {"source": "10.0.0.1", "destination": "10.0.0.2", "ipVersion": "IPv4"},
        "l4": {"TCP": {"source_port": 4000, "destination_port": 80}},
        "node_name": "n1",
    }
}


@pytest.mark.parametrize(
    "source",
    [
        json.dumps([DROP, DROP]).encode(),
        json.dumps([DROP, DROP], indent=2).encode(),
        b"\n".join(json.dumps(DROP, indent=2).encode() for _ in range(2)),
        lines([DROP, DROP]).decode().encode("utf-16"),
        gzip.compress(json.dumps([DROP, DROP]).encode()),
    ],
    ids=["jq -s -c", "jq -s", "jq .", "PowerShell", "gzip of an array"],
)
def test_flows_read_the_same_however_they_are_laid_out(source: bytes) -> None:
    *flows, reading = read(source)

    assert flows == [one(DROP)] * 2
    assert isinstance(reading, FlowReading)
    assert (reading.flows, reading.garbage, reading.truncated) == (2, 0, False)


def test_an_array_that_breaks_off_is_read_up_to_the_break() -> None:
    *flows, reading = read(json.dumps([DROP, DROP], indent=2).encode()[:-60])

    assert flows == [one(DROP)]
    assert isinstance(reading, FlowReading)
    assert reading.truncated


def test_gos_own_json_of_old_hubble_is_read() -> None:
    flow = {**DROP["flow"], "time": {"seconds": 1795168680, "nanos": 100000000}, "verdict": 2}
    flow["l4"] = {"Protocol": flow["l4"]}

    read_flow = one(flow)

    assert read_flow == one(DROP)


@pytest.mark.parametrize("wrapped", [False, True])
def test_gkes_policy_log_is_read_as_policy_verdicts(wrapped: bool) -> None:
    row: dict[str, Any] = {
        "connection": {
            "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "src_port": 4000, "dest_port": 80,
            "protocol": "tcp", "direction": "egress",
        },
        "disposition": "deny",
        "src": {"pod_name": "web", "namespace": "shop"},
        "dest": {"pod_name": "db", "namespace": "shop"},
        "timestamp": "2026-11-20T09:58:00.100000000Z",
        "node_name": "n1",
    }  # fmt: skip
    flow = one({"jsonPayload": row} if wrapped else row)

    assert (flow.verdict, flow.drop_reason, flow.direction, flow.protocol) == ("DROPPED", 133, "EGRESS", "TCP")
    assert (flow.source.pod, flow.destination.pod, flow.destination_port, flow.node) == ("web", "db", 80, "n1")
    assert one({**row, "disposition": "allow"}).verdict == "FORWARDED"
    assert one({**row, "policies": [{"name": "no", "namespace": "shop"}]}).drop_reason == 181


def test_compact_text_is_refused_with_the_command_that_helps() -> None:
    text = b"Nov 20 09:58:00.100: shop/web:40000 (ID:1) <> shop/db:9000 (ID:2) policy-verdict:none EGRESS DENIED\n"

    with pytest.raises(UnreadableFlows, match=r"compact text leaves out .*hubble observe … -o jsonpb"):
        read(text)


def test_an_archive_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensors.hubble.lines.MAX_UNPACKED_BYTES", 1 << 20)

    with pytest.raises(UnreadableFlows, match="more than 1 MiB of hubble flows"):
        read(gzip.compress(b"\n" * (8 << 20)))


# -- sides that come again -------------------------------------------------------------------------------------------


def test_a_side_that_comes_again_tells_the_same() -> None:
    row = raw("03")[1]

    first, again, _ = read(lines([row, row]))

    assert first == again


def test_a_side_with_one_unreadable_field_keeps_the_others_however_often_it_comes() -> None:
    row = raw("03")[1]
    row["flow"]["source"]["labels"] = "not a list"

    *flows, reading = read(lines([row, row]))

    told = [(each.source.labels, each.source.pod, each.source.identity) for each in flows]  # type: ignore[union-attr]
    assert told == [((), CLIENT, 5609)] * 2
    assert reading == FlowReading(2, horizons=reading.horizons)  # type: ignore[union-attr]


def test_a_side_in_bytes_that_are_no_text_makes_the_line_unreadable() -> None:
    line = lines([raw("03")[1]]).replace(b"k8s:app=client", b"k8s:app=\xff\xfe")

    _, reading = read(lines([raw("03")[0]]) + line)

    assert isinstance(reading, FlowReading)
    assert (reading.flows, reading.garbage, reading.first_garbage) == (1, 1, 2)


def test_a_field_named_as_our_own_changes_nothing() -> None:
    row = raw("03")[1]
    row["flow"]["sides"] = [{"pod_name": "somebody-else"}, 5]

    assert one(row).source.pod == CLIENT
