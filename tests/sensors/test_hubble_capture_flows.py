"""hubble.capture_flows: what the datapath did with one pod's packets, and how well that could be seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sensors.access.casefolder import open_case
from sensors.hubble.lines import (
    FlowQuestion,
    FlowReading,
    HubbleFlow,
    HubbleMessage,
    LostEvents,
    NodeStatus,
    read_flow_lines,
)
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble.records import Horizon
from sensors.hubble_capture_flows import SENSOR, DropTotal, HubbleFlows, SilentNode, look
from sensors.kit import Blind, Target
from tests.kit.cases import case
from tests.kit.fakes import FakeCluster
from tests.kit.hubble_captures import messages, path

CASES = Path(__file__).resolve().parents[2] / "lab" / "cases"
CLIENT = Target("client-6fc9d7cff9-qflgv", "shop")
WEB = Target("web-7f9794c6d4-zm6sk", "shop")


class Recording(FakeCluster):
    """A fake cluster whose hubble flows are a capture, read as a case folder would read them."""

    def __init__(self, name: str, objects: Sequence[dict[str, Any]] = (), **given: Any) -> None:
        super().__init__(objects, **given)
        object.__setattr__(self, "capture", path(name))

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        for batch in read_flow_lines(self.capture, question):  # type: ignore[attr-defined]
            yield batch


def pod(target: Target, ip: str, node: str = "lab1", *, host: bool = False, started: str = "") -> dict[str, Any]:
    ports = [{"containerPort": 9100}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": target.pod, "namespace": target.namespace},
        "spec": {"nodeName": node, "hostNetwork": host, "containers": [{"name": "app", "ports": ports}]},
        "status": {"podIP": ip, "podIPs": [{"ip": ip}], "startTime": started},
    }


async def of_case(name: str) -> HubbleFlows:
    case = open_case(CASES / name)
    assert case.header.target is not None
    return await look(case.header.target, case)


# -- real incidents --------------------------------------------------------------------------------------------------


async def test_the_api_servers_refused_packets_are_summed_up_in_one_sentence() -> None:
    facts = await of_case("api-server-cannot-watch")

    assert facts.summary() == (
        "847 packets dropped (POLICY_DENIED, 133), 820 attempts, production/api-server-79fd8d4cc-jzc5m → "
        "kube-apiserver, remote-node (172.30.0.11) TCP/6443, last at 21:11:09"
    )
    assert facts.drop_reasons == (DropTotal(133, "POLICY_DENIED", 847, 820),)
    assert (facts.nodes_answering, facts.silent, facts.coverage) == (("lab1", "lab2"), (), 1.0)


@pytest.mark.parametrize(
    ("name", "outcome", "port"),
    [
        ("basket-to-pricing", ConnectionOutcome.DROPPED, 8080),
        ("chat-to-presence", ConnectionOutcome.REFUSED, 8080),
        ("checkout-to-bank", ConnectionOutcome.DROPPED, 8443),
        ("frontend-to-backend", ConnectionOutcome.UNANSWERED, 53),
        ("fx-to-rates", ConnectionOutcome.UNANSWERED, 443),
        ("mobile-to-gateway", ConnectionOutcome.REFUSED, 8081),
        ("orders-to-ledger", ConnectionOutcome.DROPPED, 8080),
        ("sync-to-partner", ConnectionOutcome.DROPPED, 443),
        ("worker-to-queue", ConnectionOutcome.DROPPED, 53),
    ],
)
async def test_the_worst_connection_of_an_incident_comes_first(
    name: str, outcome: ConnectionOutcome, port: int
) -> None:
    worst = (await of_case(name)).connections[0]

    assert (worst.outcome, worst.port) == (outcome, port)


async def test_a_pod_without_flows_on_a_silent_node_is_no_comfort() -> None:
    facts = await of_case("batch-new-worker")

    assert (facts.connections, facts.flows, facts.silent) == ((), 0, (SilentNode("lab2", "NODE_UNAVAILABLE"),))
    assert facts.summary() == (
        "no hubble flow of batch/batch-extra-5b8c557b68-hz28c among 230 read over 50 s: that proves nothing; "
        "no flows from lab2"
    )
    assert facts.coverage < 0.5


async def test_a_host_network_pod_is_seen_by_its_nodes_addresses_and_says_so() -> None:
    facts = await of_case("edge-to-sessions")

    assert facts.attribution == "node"
    assert {each.source.ip for each in facts.connections} == {"10.244.0.185"}
    assert facts.summary().endswith("on the host network: seen by node address, not by pod")


# -- captures --------------------------------------------------------------------------------------------------------


async def test_a_silent_twin_has_connections_and_no_drops() -> None:
    facts = await look(CLIENT, Recording("02"))

    assert (facts.packets_dropped, facts.drop_reasons, facts.first_drop) == (0, (), None)
    assert facts.summary() == "no packet of shop/client-6fc9d7cff9-qflgv dropped in 7 hubble flows: 1 opened"


async def test_both_ends_of_a_drop_see_it() -> None:
    as_client = await look(CLIENT, Recording("09"))
    as_server = await look(WEB, Recording("09"))

    assert as_client.dropped == as_server.dropped
    assert (as_server.packets_dropped, as_server.attempts_dropped) == (4, 1)


async def test_drops_of_other_pods_are_a_count_and_nothing_more() -> None:
    facts = await look(CLIENT, Recording("08"))
    without = await look(CLIENT, Recording("08"), others=False)

    assert (facts.packets_dropped, facts.others_dropped, len(facts.connections)) == (0, 4, 2)
    assert without.others_dropped == 0


async def test_the_dns_proxys_words_are_facts() -> None:
    facts = await look(CLIENT, Recording("20"))

    assert [(each.query, each.denied, each.rcodes) for each in facts.dns] == [
        ("cdn.example.net.", 1, ()),
        ("api.example.com.", 0, (("NOERROR", 1),)),
    ]


async def test_old_lost_events_do_not_count_and_are_kept() -> None:
    facts = await look(CLIENT, Recording("30"))

    assert [(each.source, each.in_window) for each in facts.lost] == [("OBSERVER_EVENTS_QUEUE", False)]
    assert (facts.lost_events, facts.coverage) == (0, 1.0)


async def test_lost_events_of_the_same_minutes_lower_the_coverage() -> None:
    flows = messages("30")
    when = next(each.time for each in flows if isinstance(each, HubbleFlow))
    lost = LostEvents("HUBBLE_RING_BUFFER", 19, "lab1", when, when, when)

    facts = await look(CLIENT, FakeCluster(flows=[lost, *(each for each in flows if not isinstance(each, LostEvents))]))

    assert (facts.lost_events, facts.coverage) == (19, 0.5)
    assert facts.summary().endswith("; 19 events lost")


async def test_an_agent_that_failed_meanwhile_is_named() -> None:
    facts = await look(Target("coredns-6f5d4d5d8c-84qx8", "kube-system"), Recording("28a"))

    assert [(each.node, each.state) for each in facts.silent] == [("lab2", "NODE_ERROR")]
    assert facts.nodes_answering == ("lab1",)
    assert facts.summary().endswith("; no flows from lab2")


async def test_the_pods_own_node_weighs_more_than_the_others() -> None:
    target = Target("coredns-6f5d4d5d8c-84qx8", "kube-system")
    flows = [NodeStatus("NODE_CONNECTED", ("lab1", "lab3")), *messages("28a")]

    on_lab1 = await look(target, FakeCluster([pod(target, "10.244.0.208", "lab1")], flows=flows))
    on_lab2 = await look(target, FakeCluster([pod(target, "10.244.0.208", "lab2")], flows=flows))

    assert on_lab2.coverage < on_lab1.coverage < 1.0


@pytest.mark.parametrize(("busy", "coverage"), [("lab1", 0.5), ("lab2", 1.0)])
async def test_a_busy_node_that_remembers_seconds_is_not_made_up_for_by_an_idle_one(busy: str, coverage: float) -> None:
    target = Target("coredns-6f5d4d5d8c-84qx8", "kube-system")
    flows = [each for each in messages("28a") if isinstance(each, HubbleFlow)]
    last = max(each.time for each in flows if each.time)
    spans = {"lab1": timedelta(hours=1), "lab2": timedelta(hours=1)} | {busy: timedelta(seconds=2)}
    told = FlowReading(len(flows), horizons=tuple(Horizon(node, last - span, last) for node, span in spans.items()))

    facts = await look(target, FakeCluster([pod(target, "10.244.0.208", "lab1")], flows=[*flows, told]))

    assert (facts.packets_dropped, facts.coverage) == (0, coverage)


async def test_a_node_that_came_back_is_not_silent() -> None:
    flows = [*messages("28a"), NodeStatus("NODE_CONNECTED", ("default/lab2",))]

    facts = await look(CLIENT, FakeCluster(flows=flows))

    assert (facts.silent, facts.nodes_answering) == ((), ("lab1", "lab2"))


@pytest.mark.parametrize("name", ["28b", "28c"])
async def test_flows_that_are_not_the_pods_make_no_verdict(name: str) -> None:
    facts = await look(Target("nobody", "shop"), Recording(name))

    assert (facts.flows, facts.connections) == (0, ())
    assert "that proves nothing" in facts.summary()


async def test_without_any_flow_the_sensor_is_blind() -> None:
    with pytest.raises(Blind, match="the source holds no hubble flows"):
        await look(CLIENT, Recording("29"))


async def test_without_any_flow_it_says_which_nodes_did_not_answer() -> None:
    flows = [NodeStatus("NODE_UNAVAILABLE", ("lab1", "lab2"))]

    with pytest.raises(Blind, match="no answer from lab1, lab2"):
        await look(CLIENT, FakeCluster(flows=flows))


class Slow(FakeCluster):
    """A relay that sends what it has and then waits for an agent that never answers."""

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        yield self.flows or ()
        await asyncio.Event().wait()


async def test_a_relay_that_does_not_end_costs_coverage_and_not_the_drops() -> None:
    facts = await look(CLIENT, Slow(flows=messages("03")), patience=0.01)

    assert (facts.packets_dropped, facts.cut_short, facts.coverage) == (4, True, 0.8)
    assert facts.summary().endswith("; flows were still coming when the time was up")


async def test_a_relay_that_says_nothing_in_time_makes_blind() -> None:
    with pytest.raises(Blind, match="no hubble flows came in time: no answer from lab2"):
        await look(CLIENT, Slow(flows=[NodeStatus("NODE_UNAVAILABLE", ("lab2",))]), patience=0.01)


async def test_without_hubble_the_sensor_is_blind() -> None:
    with pytest.raises(Blind, match="were not given"):
        await look(CLIENT, FakeCluster())


async def test_a_broken_recording_is_told(tmp_path: Any) -> None:
    broken = tmp_path / "flows.jsonl"
    broken.write_bytes(b"what is this\n" + path("03").read_bytes()[:-300])
    cluster = Recording("03")
    object.__setattr__(cluster, "capture", broken)

    facts = await look(CLIENT, cluster)

    assert facts.summary().endswith("; 1 line unreadable (first: 1); the source breaks off")
    assert (facts.packets_dropped, facts.garbage, facts.truncated) == (4, 1, True)
    assert facts.coverage == 0.875


async def test_a_pods_first_seconds_are_told_from_lasting_drops() -> None:
    dropped = [each for each in messages("03") if isinstance(each, HubbleFlow)]
    opened = [
        msgspec.structs.replace(each, time=each.time + timedelta(seconds=20), uuid=each.uuid + "+")
        for each in messages("05")
        if isinstance(each, HubbleFlow) and each.time and 443 in (each.source_port, each.destination_port)
    ]
    young = pod(CLIENT, "10.244.0.245", started="2026-11-23T20:25:58Z")
    old = pod(CLIENT, "10.244.0.245", started="2026-11-23T08:00:00Z")

    now = await look(CLIENT, FakeCluster([young], flows=[*dropped, *opened]))
    before = await look(CLIENT, FakeCluster([old], flows=[*dropped, *opened]))

    assert [each.only_at_start for each in now.connections] == [True]
    assert [each.only_at_start for each in before.connections] == [False]


async def test_a_host_network_pods_ports_tell_it_from_its_node() -> None:
    """The capture's client is a process on node lab1 that calls web:8080; the pod's own port is another."""
    probe = Target("probe", "ops", "10.244.1.162", 8080)
    asked = FakeCluster([pod(probe, "10.244.0.11", host=True)], flows=messages("35"))

    to_web = await look(probe, asked)
    to_nothing = await look(replace(probe, to_port=None, to_host=None), asked)

    assert (to_web.packets_dropped, to_web.attribution) == (4, "node")
    assert (to_nothing.packets_dropped, to_nothing.others_dropped) == (0, 4)


async def test_a_host_network_pods_own_probe_is_left_out_where_nobody_asks_for_that_peer() -> None:
    """The capture's packets, as if the probe had sent them from its source ports."""
    asked = Target("probe", "ops", "10.244.1.162", 8080)
    change = msgspec.structs.replace
    flows = [each for each in messages("35") if isinstance(each, HubbleFlow)]
    sent = [change(each, source_port=61007) for each in flows]
    mine = pod(asked, "10.244.0.11", host=True)
    mine["spec"]["containers"][0]["ports"] = [{"containerPort": 8080}]
    there = FakeCluster([mine], flows=sent)

    of_the_peer = await look(asked, there)
    of_nobody = await look(replace(asked, to_port=None, to_host=None), there)

    assert (of_the_peer.packets_dropped, of_the_peer.probed) == (4, 0)
    assert (of_nobody.packets_dropped, of_nobody.probed) == (0, 1)


async def test_many_connections_are_cut_and_drops_are_not() -> None:
    drop = next(each for each in messages("03") if isinstance(each, HubbleFlow))
    syn = next(each for each in messages("02") if isinstance(each, HubbleFlow))

    def to(flow: HubbleFlow, port: int) -> HubbleFlow:
        return msgspec.structs.replace(flow, uuid=f"{flow.uuid}{port}", destination_port=port)

    flows = [*(to(drop, port) for port in range(1, 251)), *(to(syn, port) for port in range(1001, 1101))]

    facts = await look(CLIENT, FakeCluster(flows=flows))

    assert (len(facts.connections), facts.left_out, facts.attempts_dropped) == (250, 100, 250)


def test_the_sensor_keeps_its_promise() -> None:
    assert (SENSOR.id, SENSOR.look, SENSOR.gives, SENSOR.within) == ("hubble.capture_flows", look, HubbleFlows, 12.0)


async def test_a_window_leaves_out_what_is_older():
    whole = case("api-server-cannot-watch")
    target = Target("api-server-79fd8d4cc-jzc5m", "production")

    everything, lately = await look(target, whole), await look(target, whole, since=2)

    assert 0 < lately.flows < everything.flows
