"""Writes what Hubble would report of one connection: verdicts, drops, traces and replies, node by node.

The shapes are those of a real cluster's flows (the recorded cases): a denied packet is a policy verdict (type 5) and a
drop (type 1) on the node of the side that refuses; an allowed one has a verdict only where a policy isolates that side,
then traces (type 4) to the overlay, the network or the endpoint, and replies the other way.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flows.policy import Decision, Direction, Endpoint, PolicyRef, PolicyVerdict, Traffic
from lab.cluster.dataplane import Dataplane, PacketOutcome
from sensors.hubble.pb.cilium.flow import flow_pb2 as pb
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsResponse

DENIED, DENY = 133, 181
TO_ENDPOINT, TO_PROXY, TO_OVERLAY, TO_NETWORK = 0, 1, 4, 11
POINTS = {TO_ENDPOINT: "TO_ENDPOINT", TO_PROXY: "TO_PROXY", TO_OVERLAY: "TO_OVERLAY", TO_NETWORK: "TO_NETWORK"}
RESERVED = {"kube-apiserver": 7, "remote-node": 6, "host": 1, "world": 2, "health": 4, "ingress": 8}
STEP = timedelta(microseconds=40)
NODES_OWN = ("beta.kubernetes.io/arch=amd64", "beta.kubernetes.io/os=linux", "kubernetes.io/arch=amd64")


@dataclass
class Identities:
    """Numbers and labels of endpoints: those that were recorded, and new numbers for new sets of labels."""

    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    ids: dict[tuple[str, str], int] = field(default_factory=dict)
    outside: dict[str, Any] = field(default_factory=dict)

    def learn(self, messages: list[Any]) -> None:
        for flow in (each.flow for each in messages if each.HasField("flow")):
            for end, ip in ((flow.source, flow.IP.source), (flow.destination, flow.IP.destination)):
                if end.pod_name:
                    self.numbers.setdefault(tuple(end.labels), end.identity)
                    if end.ID:
                        self.ids[(end.namespace, end.pod_name)] = end.ID
                elif end.labels:
                    self.outside[ip] = end

    def of(self, labels: tuple[str, ...]) -> int:
        return self.numbers.setdefault(labels, max(256, 60_000, *self.numbers.values()) + 1)

    def id_of(self, pod: tuple[str, str]) -> int:
        return self.ids.setdefault(pod, max(2, *self.ids.values(), 0) + 1)


@dataclass
class Reporter:
    """Makes hubble flows of outcomes, dated with the agenda's present moment."""

    dataplane: Dataplane
    identities: Identities
    random: random.Random
    version: str = ""

    # -- whole connections ---------------------------------------------------------------------------------------------

    def tcp(self, traffic: Traffic, outcome: PacketOutcome, port: int) -> Iterator[Any]:
        """One attempt to open a connection from the client port `port`."""
        packet = SimulatedConnection(self, traffic, port)
        if outcome.denied is not None:
            yield from self._denied(packet, outcome)
            return
        yield from self._forward(packet, outcome)
        if outcome.result == "refused":
            yield from packet.back("RST", "ACK")
        elif outcome.result == "open":
            yield from self._talk(packet)

    def dns(
        self, traffic: Traffic, outcome: PacketOutcome, port: int, name: str, rcode: str, ips: tuple[str, ...]
    ) -> Any:
        """One question, and its answer if one came."""
        packet = SimulatedConnection(self, traffic, port)
        if outcome.denied is not None:
            yield from self._denied(packet, outcome)
            return
        proxied = self.dataplane.shows_dns(traffic.source)
        yield from self._forward(packet, outcome, proxied)
        if proxied:
            yield packet.l7(name)
        yield from packet.back()
        if proxied:
            yield packet.l7(name, rcode or "SERVFAIL", ips)

    def _denied(self, packet: SimulatedConnection, outcome: PacketOutcome) -> Iterator[Any]:
        judged, side = outcome.judged, outcome.denied
        if judged is None or side is None:
            return
        if side is Direction.INGRESS:
            yield from packet.verdict(judged.egress, Direction.EGRESS)
            yield from packet.leave()
        verdict = judged.egress if side is Direction.EGRESS else judged.ingress
        yield from packet.drop(verdict, side)

    def _forward(self, packet: SimulatedConnection, outcome: PacketOutcome, proxied: bool = False) -> Iterator[Any]:
        if outcome.judged is not None:
            yield from packet.verdict(outcome.judged.egress, Direction.EGRESS, proxied)
        if proxied:
            yield packet.trace(packet.near, TO_PROXY, "NEW")
        yield from packet.leave()
        if outcome.judged is not None:
            yield from packet.verdict(outcome.judged.ingress, Direction.INGRESS)
        yield from packet.arrive()

    def _talk(self, packet: SimulatedConnection) -> Iterator[Any]:
        """SYN-ACK, a question, an answer, and a quiet end."""
        yield from packet.back("SYN", "ACK")
        for flags in (("ACK",), ("PSH", "ACK")):
            yield from packet.forth(*flags)
        yield from packet.back("PSH", "ACK")
        yield from packet.back("FIN", "ACK")
        yield from packet.forth("FIN", "ACK")

    # -- parties -------------------------------------------------------------------------------------------------------

    def end(self, endpoint: Endpoint, node: str) -> Any:
        """An endpoint as the node `node` reports it: its own ones with their numbers and workloads."""
        if not endpoint.is_pod or endpoint.host_network:
            return self._nobody(endpoint)
        labels = self._labels(endpoint)
        told = pb.Endpoint(
            identity=self.identities.of(labels), cluster_name="default", namespace=endpoint.namespace, labels=labels
        )
        told.pod_name = endpoint.pod
        if endpoint.node == node:
            told.ID = self.identities.id_of((endpoint.namespace, endpoint.pod))
            kind, _, name = endpoint.workload.partition(" ")
            if name:
                told.workloads.add(kind=kind, name=name)
        return told

    def _nobody(self, endpoint: Endpoint) -> Any:
        known = self.identities.outside.get(endpoint.ip)
        if known is not None:
            return known
        entities = sorted(endpoint.entities or {"world"})
        number = next((RESERVED[each] for each in RESERVED if each in entities), 2)
        return pb.Endpoint(identity=number, labels=[f"reserved:{each}" for each in entities])

    def _labels(self, endpoint: Endpoint) -> tuple[str, ...]:
        hides = self.dataplane.world.profile.hides
        own = {f"k8s:{key}={value}" for key, value in endpoint.labels.items() if not hides(key)}
        space = "k8s:io.cilium.k8s.namespace.labels"
        own |= {f"{space}.{key}={value}" for key, value in endpoint.namespace_labels.items()}
        own |= {
            "k8s:io.cilium.k8s.policy.cluster=default",
            f"k8s:io.cilium.k8s.policy.serviceaccount={endpoint.service_account or 'default'}",
            f"k8s:io.kubernetes.pod.namespace={endpoint.namespace}",
        }
        return tuple(sorted(own))

    def policy(self, ref: PolicyRef) -> Any:
        found = self.dataplane.world.policy_object(ref) or {}
        uid = (found.get("metadata") or {}).get("uid", "")
        source = "k8s:io.cilium.k8s.policy"
        space = [f"{source}.namespace={ref.namespace}"] if ref.namespace else []
        labels = [f"{source}.derived-from={ref.kind}", f"{source}.name={ref.name}", *space, f"{source}.uid={uid}"]
        return pb.Policy(
            name=ref.name, namespace=ref.namespace, kind=ref.kind, labels=labels, revision=self.dataplane.revision
        )


@dataclass
class SimulatedConnection:
    """One connection in the making: every flow is a little later than the one before."""

    reporter: Reporter
    traffic: Traffic
    port: int
    step: int = 0

    @property
    def near(self) -> str:
        return self.traffic.source.node

    @property
    def far(self) -> str:
        """The node of the other side; empty for what lies outside."""
        there = self.traffic.destination
        return there.node if there.is_pod and not there.host_network else ""

    # -- the ways ------------------------------------------------------------------------------------------------------

    def leave(self, *flags: str, reason: str = "NEW") -> Iterator[Any]:
        if self.far != self.near:
            yield self.trace(self.near, TO_OVERLAY if self.far else TO_NETWORK, reason, flags)

    def arrive(self, *flags: str, reason: str = "NEW") -> Iterator[Any]:
        if self.far:
            yield self.trace(self.far, TO_ENDPOINT, reason, flags)

    def forth(self, *flags: str) -> Iterator[Any]:
        yield from self.leave(*flags, reason="ESTABLISHED")
        yield from self.arrive(*flags, reason="ESTABLISHED")

    def back(self, *flags: str) -> Iterator[Any]:
        if self.far and self.far != self.near:
            yield self.trace(self.far, TO_OVERLAY, "REPLY", flags, reply=True)
        yield self.trace(self.near, TO_ENDPOINT, "REPLY", flags, reply=True)

    # -- single flows --------------------------------------------------------------------------------------------------

    def trace(self, node: str, point: int, reason: str, flags: tuple[str, ...] = (), reply: bool = False) -> Any:
        message = self._message(node, "FORWARDED", flags, reply)
        flow = message.flow
        flow.event_type.type, flow.event_type.sub_type = 4, point
        flow.trace_observation_point = pb.TraceObservationPoint.Value(POINTS[point])
        flow.trace_reason = pb.TraceReason.Value(reason)
        flow.is_reply.value = flow.reply = reply
        away = reply and point == TO_OVERLAY
        flow.traffic_direction = pb.TrafficDirection.INGRESS if away else pb.TrafficDirection.EGRESS
        return message

    def verdict(self, verdict: PolicyVerdict, side: Direction, proxied: bool = False) -> Iterator[Any]:
        """Allowed, where a policy isolates that side; nothing is reported where none does."""
        node = self.near if side is Direction.EGRESS else self.far
        if verdict.decision is not Decision.ADMITS or not node:
            return
        message = self._message(node, "REDIRECTED" if proxied else "FORWARDED", (), False)
        message.flow.event_type.type, message.flow.policy_match_type = 5, 2
        message.flow.is_reply.value = False
        self._directed(message.flow, side, verdict.admitted_by, "allowed_by")
        yield message

    def drop(self, verdict: PolicyVerdict, side: Direction) -> Iterator[Any]:
        """Denied: the verdict and the drop."""
        number, name = (DENY, "POLICY_DENY") if verdict.denied_by else (DENIED, "POLICY_DENIED")
        node = self.near if side is Direction.EGRESS else self.far
        for kind in (5, 1):
            message = self._message(node or self.near, "DROPPED", (), False)
            flow = message.flow
            flow.event_type.type, flow.drop_reason = kind, number
            flow.drop_reason_desc = pb.DropReason.Value(name)
            self._directed(flow, side, verdict.denied_by if kind == 5 else (), "denied_by")
            if kind == 5 and verdict.denied_by:
                flow.policy_match_type = 1
            elif kind == 1:
                flow.event_type.sub_type = number
                flow.file.name, flow.file.line = "bpf_lxc.c", 1533 if side is Direction.EGRESS else 2260
            yield message

    def l7(self, name: str, rcode: str = "", ips: tuple[str, ...] = ()) -> Any:
        message = self._message(self.near, "FORWARDED", (), bool(rcode))
        flow = message.flow
        flow.Type, flow.event_type.type = pb.FlowType.L7, 129
        flow.traffic_direction = pb.TrafficDirection.EGRESS
        flow.is_reply.value = flow.reply = bool(rcode)
        flow.l7.type = pb.L7FlowType.RESPONSE if rcode else pb.L7FlowType.REQUEST
        flow.l7.dns.query, flow.l7.dns.observation_source = f"{name}.", "proxy"
        flow.l7.dns.qtypes.append("A")
        flow.Summary = f"DNS {'Answer' if rcode else 'Query'} {name}. A"
        if rcode:
            flow.l7.dns.rcode = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3}.get(rcode, 2)
            flow.l7.dns.ips.extend(ips)
        return message

    def _directed(self, flow: Any, side: Direction, refs: tuple[PolicyRef, ...], what: str) -> None:
        egress = side is Direction.EGRESS
        flow.traffic_direction = pb.TrafficDirection.EGRESS if egress else pb.TrafficDirection.INGRESS
        policies = getattr(flow, f"{side.value}_{what}")
        policies.extend(self.reporter.policy(each) for each in refs)
        if refs:
            flow.policy_log.append("")

    def _message(self, node: str, verdict: str, flags: tuple[str, ...], reply: bool) -> Any:
        message = GetFlowsResponse(node_name=node)
        flow = message.flow
        moment = self.reporter.dataplane.agenda.now + self.step * STEP
        self.step += 1
        message.time.FromDatetime(moment)
        flow.time.FromDatetime(moment)
        flow.uuid = str(uuid.UUID(int=self.reporter.random.getrandbits(128), version=4))
        flow.emitter.name, flow.emitter.version = "Hubble", self.reporter.version
        flow.verdict = pb.Verdict.Value(verdict)  # type: ignore[assignment]
        flow.Type, flow.node_name = pb.FlowType.L3_L4, node
        flow.node_labels.extend((*NODES_OWN, f"kubernetes.io/hostname={node}", "kubernetes.io/os=linux"))
        self._address(flow, node, flags, reply)
        return message

    def _address(self, flow: Any, node: str, flags: tuple[str, ...], reply: bool) -> None:
        here, there = self.traffic.source, self.traffic.destination
        ports = (self.port, self.traffic.port or 0)
        if reply:
            here, there, ports = there, here, (ports[1], ports[0])
        else:
            flow.destination_names.extend(() if there.is_pod else there.fqdns)
        flow.IP.source, flow.IP.destination, flow.IP.ipVersion = here.ip, there.ip, pb.IPVersion.IPv4
        flow.source.CopyFrom(self.reporter.end(here, node))
        flow.destination.CopyFrom(self.reporter.end(there, node))
        l4 = getattr(flow.l4, self.traffic.protocol)
        l4.source_port, l4.destination_port = ports
        flow.Summary = self.traffic.protocol
        if self.traffic.protocol == "TCP":
            shown = flags or ("SYN",)
            for each in shown:
                setattr(l4.flags, each, True)
            flow.Summary = f"TCP Flags: {', '.join(sorted(shown, reverse=shown[0] == 'SYN'))}"


def identities_of(messages: list[Any], endpoints: Iterable[Mapping[str, Any]]) -> Identities:
    """Identities that the recording knows: flows, and the CiliumEndpoints."""
    found = Identities()
    for each in endpoints:
        status, meta = each.get("status") or {}, each["metadata"]
        identity = status.get("identity") or {}
        if isinstance(identity.get("id"), int):
            found.numbers[tuple(identity.get("labels") or ())] = identity["id"]
        if isinstance(status.get("id"), int):
            found.ids[(str(meta.get("namespace")), str(meta["name"]))] = status["id"]
    found.learn(messages)
    return found
