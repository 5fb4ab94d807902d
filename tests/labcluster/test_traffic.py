"""The live traffic looks like the recorded one, and a recording that nothing explains is kept."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from tests.labcluster.desk import CASES, asked_wish, attempts, new_flows, probe, running, tcp

CHANGING = ("time", "uuid", "ethernet", "file", "interface", "proxy_port", "policy_log", "Summary", "l7")
"""What differs from packet to packet, or from node to node, and what no rule reads."""

LIKE_RECORDED = [
    "agent-to-collector",
    "basket-to-pricing",
    "mobile-to-gateway",
    "orders-to-ledger",
    "search-to-index",
    "sync-to-partner",
    "worker-to-queue",
]


@pytest.mark.parametrize("case", LIKE_RECORDED)
async def test_live_flows_have_the_shape_of_the_recorded_ones(case):
    async with running(case) as lab:
        recorded = {kind_of(each.flow): stripped(each.flow) for each in flows_of(lab)}
        for node in lab.relay_server.nodes:
            node.ring.messages.clear()
        await lab.advance(12)
        live = {kind_of(each.flow): stripped(each.flow) for each in flows_of(lab)}

    assert live
    assert live == {kind: recorded.get(kind) for kind in live}


def flows_of(lab: Any) -> list[Any]:
    messages = [each for node in lab.relay_server.nodes for each in node.ring.messages if each.HasField("flow")]
    pod = lab.target.pod
    return [each for each in messages if pod in (each.flow.source.pod_name, each.flow.destination.pod_name)]


def kind_of(flow: Any) -> tuple[Any, ...]:
    """What tells one kind of flow from another."""
    flags = tuple(field.name for field, _ in flow.l4.TCP.flags.ListFields())
    event = (flow.event_type.type, flow.event_type.sub_type, flow.verdict, flow.drop_reason, flow.l7.type)
    return *event, flow.traffic_direction, flow.is_reply.value, flow.node_name, flow.l4.WhichOneof("protocol"), flags


def stripped(flow: Any) -> dict[str, Any]:
    said: dict[str, Any] = MessageToDict(flow, preserving_proto_field_name=True)
    for key in CHANGING:
        said.pop(key, None)
    client = "destination_port" if flow.is_reply.value else "source_port"
    for each in said["l4"].values():
        each.pop(client)
    for key in ("egress_allowed_by", "ingress_allowed_by", "egress_denied_by", "ingress_denied_by"):
        for each in said.get(key, ()):
            each.pop("revision")
    return said


async def test_a_refused_syn_is_sent_three_times_and_each_gives_two_flows():
    async with running("basket-to-pricing") as lab:
        start = lab.now
        await lab.advance(4.5)

        drops = [each for each in tcp(await new_flows(lab, start)) if each.verdict == "DROPPED"]

    by_port = Counter(each.source_port for each in drops)
    times = sorted({round((each.time - start).total_seconds()) for each in drops if each.time})
    assert sorted(by_port.values()) == [6]
    assert Counter(each.event for each in drops) == {5: 3, 1: 3}
    assert times == [1, 2, 4]


async def test_a_service_without_backends_gives_no_packet_at_all():
    async with running("web-to-catalog") as lab:
        start = lab.now
        results = await attempts(lab, 5)

        flows = await new_flows(lab, start)

    assert results == ["unreachable"] * 5
    assert list(tcp(flows)) == []
    assert [each for each in flows if each.protocol == "UDP"]  # the name resolves


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("edge-to-sessions", "nothing in objects and policies explains it"),
        ("fx-to-rates", "172.30.0.77:443 stays timeout"),
        ("gallery-to-media", "bytes wide"),
    ],
)
async def test_what_nothing_here_explains_is_kept_and_said(case, words):
    async with running(case) as lab:
        start, recorded = lab.now, {kind_of(each.flow) for each in flows_of(lab)}
        await lab.advance(60)

        flows = [each.flow for each in flows_of(lab) if each.time.ToDatetime(UTC) > start]

    assert any(words in each for each in lab.unsimulated)
    assert asked_wish(lab) in lab.crowd.kept
    assert {kind_of(each) for each in flows} == recorded  # they go on; a host-network pod has none of its own


@pytest.mark.parametrize("case", sorted(each.name for each in CASES.iterdir() if each.is_dir()))
async def test_history_is_moved_to_just_before_now(case):
    async with running(case) as lab:
        newest = max(each.time.ToDatetime() for node in lab.relay_server.nodes for each in node.ring.messages)
        age = (lab.now.replace(tzinfo=None) - newest).total_seconds()

    assert 0 < age < 30  # some cases were recorded a while after their last flow


async def test_the_probe_tells_the_path_mtu_as_policies_let_it():
    async with running("basket-to-pricing") as closed, running("web-to-catalog") as opened:
        shut = await probe(closed, "retail", closed.target.pod, path_mtu=("10.244.1.169",))
        wide = await probe(opened, "store", opened.target.pod, path_mtu=("10.244.1.162",))

    assert [(each.mtu, each.error) for each in shut.path_mtu] == [(None, "no answer to ICMP echo of any size")]
    assert [(each.mtu, each.error) for each in wide.path_mtu] == [(1450, None)]


async def test_lookups_ask_what_the_c_library_asks():
    async with running("web-to-catalog") as lab:
        answer = await probe(lab, "store", lab.target.pod, lookups=(("kubernetes.default", "A"), ("example.org", "A")))

    rows = [(each.name, each.rcode, each.addresses) for each in answer.lookups]
    assert rows[:2] == [
        ("kubernetes.default.store.svc.cluster.local", "NXDOMAIN", ()),
        ("kubernetes.default.svc.cluster.local", "NOERROR", ("10.96.0.1",)),
    ]
    assert answer.errors == {"lookups/example.org/A": "example.org is not in the recording"}
