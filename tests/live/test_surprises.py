"""What a real cluster did that no documentation says: each surprise through the whole walk, so that none is forgotten.

Where a recording shows it, the recording is walked. Elsewhere a recording is edited (synthetic), as each test says.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.cluster.dataplane import Delays
from sensors.access.casefolder import CaseFolder, open_case
from sensors.hubble.lines import DatapathPolicy, FlowEndpoint, FlowQuestion, HubbleFlow, HubbleMessage
from sensors.kit import Cluster, Connect, PathMtu, Target
from tests.live.world import CASES, diagnosed, layer, recorded_nodes, summary, world_of

Edit = Callable[[HubbleFlow], Iterable[HubbleFlow]]


@dataclass
class Edited:
    """A recording with other flows, doors or sizes; everything else is as it was."""

    case: CaseFolder
    flows: Edit = lambda flow: (flow,)
    more: tuple[HubbleFlow, ...] = ()
    doors: Callable[[Connect], Connect] = lambda door: door
    sizes: Callable[[PathMtu], PathMtu] = lambda size: size

    def __getattr__(self, name: str) -> Any:
        return getattr(self.case, name)

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        yield self.more
        async for batch in self.case.hubble_flows(question):
            yield [one for each in batch for one in (self.flows(each) if isinstance(each, HubbleFlow) else (each,))]

    async def connects(self, *asked: Any) -> tuple[Connect, ...]:
        return tuple(map(self.doors, await self.case.connects(*asked)))

    async def path_mtus(self, *asked: Any) -> tuple[PathMtu, ...]:
        return tuple(map(self.sizes, await self.case.path_mtus(*asked)))


def recorded(name: str) -> tuple[CaseFolder, Target]:
    case = open_case(CASES / name)
    assert case.header.target is not None
    return case, case.header.target


async def flows_of(case: CaseFolder, target: Target) -> list[HubbleFlow]:
    question = FlowQuestion(target.namespace, target.pod, last=0)
    return [each async for batch in case.hubble_flows(question) for each in batch if isinstance(each, HubbleFlow)]


def facts(said: dict[str, Any], sensor: str) -> dict[str, Any]:
    return dict(next(each["facts"] for each in said["evidence"] if each["sensor"] == sensor))


async def walked(target: Target, cluster: Any) -> dict[str, Any]:
    seen: Cluster = cluster
    return await diagnosed(target, seen)


async def test_1_a_service_without_backends_is_eperm_at_once_and_no_flow_tells_of_it() -> None:
    case, target = recorded("web-to-catalog")

    said = await walked(target, case)

    assert said["cause_class"] == "service.no_endpoints"
    asked = [each for each in facts(said, "net.connect")["doors"] if each["about"] == "asked"]
    assert [(each["result"], each["errno"]) for each in asked] == [("unreachable", "EPERM")] * 2
    assert facts(said, "hubble.capture_flows")["packets_dropped"] == 0


def test_2_the_lab_lets_a_changed_label_count_as_late_as_the_real_cluster_did() -> None:
    """What a fix then looks like, second by second: tests/labcluster/test_fixes.py."""
    assert Delays().identity == 26.0


async def test_3_a_port_that_the_service_has_not_leaves_as_world_and_is_no_outside_host() -> None:
    """Synthetic: the healthy pair, asked about another port, as such a packet was seen to leave the node."""
    case, target = recorded("search-to-index")
    flows = await flows_of(case, target)
    own = next(each for each in flows if each.source.pod == target.pod and each.protocol == "TCP" and not each.is_reply)
    world = FlowEndpoint("10.96.51.29", 2, ("reserved:world",))
    astray = [
        msgspec.structs.replace(
            own,
            uuid=f"astray-{number}",
            destination=world,
            destination_port=9090,
            observed_at="TO_NETWORK",
            flags=frozenset({"SYN"}),
        )
        for number in range(3)
    ]
    silent = lambda door: replace(door, port=9090, result="timeout", errno="ETIMEDOUT") if door.port == 80 else door  # noqa: E731

    said = await walked(replace(target, to_port=9090), Edited(case, more=tuple(astray), doors=silent))

    assert said["cause_class"] == "service.wrong_port"
    assert not any(each["cause_class"].startswith("external.") for each in said["findings"])


async def test_4_an_icmp_answer_to_a_late_dns_answer_that_is_dropped_accuses_nobody() -> None:
    """Synthetic: the healthy pair, and ICMP port-unreachable towards CoreDNS dropped by the pod's own policy."""
    case, target = recorded("search-to-index")
    flows = await flows_of(case, target)
    dns = next(each for each in flows if each.destination_port == 53 and each.source.pod == target.pod)
    late = {"verdict": "DROPPED", "drop_reason": 133, "drop_reason_name": "POLICY_DENIED", "event": 1, "event_sub": 133}
    icmp = {"protocol": "ICMPv4", "icmp_type": 3, "icmp_code": 3, "is_reply": None, "dns": None, "l7_type": ""}
    dropped = msgspec.structs.replace(dns, uuid="late", direction="EGRESS", kind="L3_L4", **late, **icmp)
    bare = msgspec.structs.replace(
        dropped,
        source_port=0,
        destination_port=0,
    )

    said = await walked(target, Edited(case, more=(bare,)))

    assert said["cause_class"] == "none.healthy"
    assert "policy.dns_blocked" not in {each["cause_class"] for each in said["findings"]}


async def test_5_where_the_datapath_admits_what_the_model_denies_the_datapath_wins_and_it_is_said() -> None:
    """Synthetic: the block of addresses that never matches a pod, and every packet to it let through all the same."""
    case, target = recorded("importer-to-store")
    flows = await flows_of(case, target)
    denied = next(each for each in flows if each.is_bad and each.source.pod == target.pod)
    by = (DatapathPolicy("NetworkPolicy", target.namespace, "some-policy"),)
    opened = {"verdict": "FORWARDED", "drop_reason": 0, "drop_reason_name": "", "event": 4, "event_sub": 0}

    def admitted(flow: HubbleFlow) -> Iterable[HubbleFlow]:
        if not flow.is_bad:
            return (flow,)
        there = msgspec.structs.replace(flow, **opened, trace_reason="NEW", is_reply=False, egress_allowed_by=by)
        back = msgspec.structs.replace(
            there, uuid=f"{flow.uuid}-back", source=flow.destination, destination=flow.source, is_reply=True,
            source_port=flow.destination_port, destination_port=flow.source_port,
            trace_reason="REPLY", flags=frozenset({"SYN", "ACK"}), direction="INGRESS", egress_allowed_by=(),
        )  # fmt: skip
        return there, back

    open_door = lambda door: replace(door, result="open", errno=None)  # noqa: E731
    said = await walked(target, Edited(case, flows=admitted, doors=open_door))

    assert denied.drop_reason == 133
    assert "policy.cidr_never_matches" not in {each["cause_class"] for each in said["findings"]}
    assert "connections that the policies deny were seen to open" in said["root_cause"]
    assert layer(said, "policy")[0] != "pass"


async def test_6_a_dead_agent_is_found_without_the_event_that_never_came() -> None:
    case, target = recorded("batch-new-worker")
    events = case.recorded.by_kind.get(("", "Event"), ())

    said = await walked(target, case)

    assert not any("FailedCreatePodSandBox" in str(each.get("reason")) for each in events)
    assert (said["cause_class"], said["affected_component"]["name"]) == ("cni.agent_down", "lab2")


async def test_7_a_connection_that_the_pod_never_needed_may_fail() -> None:
    """Synthetic: the healthy pair, and from inside the pod the API server's Service times out."""
    case, target = recorded("search-to-index")
    shut = lambda door: door if door.port in (80, 8080) else replace(door, result="timeout", errno="ETIMEDOUT")  # noqa: E731

    said = await walked(target, Edited(case, doors=shut))

    assert said["cause_class"] == "none.healthy"


async def test_8_an_echo_that_no_size_gets_through_is_no_word_about_the_path_mtu() -> None:
    """Synthetic: the healthy pair under a policy that lets no ICMP through."""
    case, target = recorded("search-to-index")
    mute = lambda size: replace(size, mtu=None, error="no answer of any size")  # noqa: E731

    said = await walked(target, Edited(case, sizes=mute))

    assert said["cause_class"] == "none.healthy"
    assert "mtu.mismatch" not in {each["cause_class"] for each in said["findings"]}


async def test_9_drops_of_ipv6_at_a_pods_start_are_noise() -> None:
    """Synthetic: the healthy pair, and the router solicitations that every new pod sends."""
    case, target = recorded("search-to-index")
    flows = await flows_of(case, target)
    own = next(each for each in flows if each.source.pod == target.pod)
    noise = {"verdict": "DROPPED", "drop_reason": 139, "drop_reason_name": "UNSUPPORTED_L3_PROTOCOL", "event": 1}
    said_by = msgspec.structs.replace(own.source, ip="fe80::1")
    drop = msgspec.structs.replace(
        own, uuid="rs", **noise, protocol="ICMPv6", icmp_type=133, icmp_code=0, flags=frozenset(), ip_version=6,
        is_reply=None, source=said_by, destination=FlowEndpoint("ff02::2", 2, ("reserved:world",)),
        source_port=0, destination_port=0,
    )  # fmt: skip

    said = await walked(target, Edited(case, more=(drop,)))

    assert said["cause_class"] == "none.healthy"
    assert facts(said, "hubble.capture_flows")["packets_dropped"] == 0
    assert facts(said, "hubble.capture_flows")["noise"]


@pytest.mark.parametrize("mood", [{"delay": 60.0}, {"is_connected": False}], ids=["slow", "away"])
async def test_10_a_node_that_does_not_answer_costs_no_time_and_is_named(mood: dict[str, Any], tmp_path: Path) -> None:
    nodes = recorded_nodes(CASES / "checkout-to-bank")
    for key, value in mood.items():
        setattr(nodes[1], key, value)
    began = time.monotonic()

    async with world_of("checkout-to-bank", tmp_path, nodes=nodes) as world:
        said = await world.diagnose()

    assert timedelta(seconds=time.monotonic() - began) < timedelta(seconds=55)  # a slow one takes sixty
    assert "no flows from lab2" in summary(said, "hubble.capture_flows")
    assert (said["cause_class"], said["coverage"] < 1) == ("policy.both_sides_denied", True)
