"""Turns hubble flows into connections: who wanted to talk to whom, on which port, and what became of it.

Hubble reports events, not failures. One refused packet makes two flows (policy verdict and drop), a SYN is sent four
times before a client gives up, one packet is seen by two nodes, and drops do not say which side began. So flows are
first gathered per 5-tuple (an *attempt*), both directions together, then attempts per client, server, protocol and
server port (a *connection*). Packets are counted as the larger of the two kinds of report, never their sum: figures
are "at least". Order does not matter: a relay promises none.

What is nobody's failure is set aside as noise and counted by kind: IPv6 neighbour chatter, multicast, drops that are
not drops, and ICMP port-unreachable (a pod that stopped waiting turns away a late answer).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import msgspec

from sensors.hubble.attempt import (
    Attempt,
    Ends,
    did_lower_begin,
    ends_of,
    note_drop,
    note_drop_time,
    note_packet,
    note_policies,
    policies_of,
    reunite,
)
from sensors.hubble.dns_tally import DnsTally
from sensors.hubble.group import AttemptGroup, add_attempt, drops_of, newest, only_at_start, outcome_of, passes_again
from sensors.hubble.noise import noise_of
from sensors.hubble.outcomes import Connection, DnsOutcome, HttpOutcome, Party, PolicyUse
from sensors.hubble.records import FlowEndpoint, HubbleFlow
from sensors.hubble.signs import POINT_BITS, POLICY_VERDICT, PROXIED, PacketSigns, Ports, signs_of, signs_on_wire
from sensors.hubble.wire import WireFlow, policies, record

FOLD = 50_000  # attempts kept apart in memory before they are summed into connections

MOST_PAIRS = 10_000  # pairs of addresses known by their words

MOST_PATHS = 50  # HTTP paths told per connection

PROBE_PORTS = range(61000, 62000)  # source ports of KAI's probe, TCP and UDP; Linux gives out none above 60999


GroupKey: TypeAlias = tuple[str, str, str, int]


@dataclass(slots=True)
class HostFacts:
    """Facts of one address."""

    ip: str
    best: FlowEndpoint
    identities: dict[int, tuple[str, ...]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    is_pod: bool = False
    service: str = ""

    def know(self, end: FlowEndpoint) -> None:
        """Keeps the end that says the most of the address: a pod, and best from the node that hosts it."""
        if end.pod and (not self.best.pod or (end.id and not self.best.id)):
            self.best = end

    def join(self, other: HostFacts) -> None:
        """Adds what later flows showed."""
        self.know(other.best)
        self.is_pod = self.is_pod or other.is_pod
        for identity, entities in other.identities.items():
            self.identities.setdefault(identity, entities)
        self.names |= other.names
        self.service = other.service or self.service


class AddressPair(msgspec.Struct, gc=False):
    """One direction between two addresses: its ends as flows name them, and the attempts of both directions."""

    source: FlowEndpoint
    destination: FlowEndpoint
    ends: Ends
    is_lower: bool | None  # the source; None where both are one address
    attempts: dict[Ports, Attempt]


class Connections:
    """Gathers hubble flows, in any order, and says at the end what the connections were."""

    def __init__(self) -> None:
        self.flows = 0  # after removing what came twice
        self.noise: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.attempts: dict[Ends, dict[Ports, Attempt]] = {}
        self.pairs: dict[tuple[str, int, int], AddressPair] = {}
        self.room = FOLD  # for so many more attempts
        self.groups: dict[GroupKey, AttemptGroup] = {}
        self.hosts: dict[str, HostFacts] = {}
        self.nodes: dict[str, int] = {}
        self.http: dict[GroupKey, Counter[tuple[str, str, int, str]]] = {}
        self.names: dict[tuple[str, str, tuple[str, ...]], DnsTally] = {}

    def add(self, flow: HubbleFlow) -> None:
        """Take one hubble flow; one that was here before (the same uuid from two questions) counts once."""
        if self._is_repeated(flow.uuid):
            return
        signs, ports = signs_of(flow), (flow.source_port, flow.destination_port)
        attempt = self._take(signs, self._pair(signs.key, flow.source, flow.destination), ports, flow.node, flow.time)
        if attempt is None:
            return
        attempt.translated = attempt.translated or bool(flow.source_xlated)
        if signs.kind == "L7":  # a verdict newer than us may be a drop
            self._take_message(msgspec.structs.replace(flow, verdict=signs.verdict), attempt)
        if signs.event == POLICY_VERDICT:
            for verdict, direction, named in policies_of(flow):
                note_policies(attempt, verdict, direction, named)

    def add_unread(self, wire: WireFlow) -> None:
        """Takes one hubble flow as it is written: as `add` takes its record, which most flows need not become."""
        signs, ports = signs_on_wire(wire)
        if wire.l7 is not None or signs.kind == "L7":
            self.add(record(wire))
            return
        if self._is_repeated(wire.uuid):
            return
        attempt = self._take(signs, self._pair(signs.key, *wire.ends), ports, wire.node_name, wire.time)
        if attempt is None:
            return
        attempt.translated = attempt.translated or bool(wire.IP.source_xlated)
        if signs.event == POLICY_VERDICT:
            for verdict, direction, named in policies_of(wire):
                note_policies(attempt, verdict, direction, policies(named))

    def _is_repeated(self, uuid: str) -> bool:
        if uuid:
            if uuid in self.seen:
                return True
            self.seen.add(uuid)
        self.flows += 1
        return False

    def _pair(self, key: str, source: FlowEndpoint, destination: FlowEndpoint) -> AddressPair:
        """The two addresses of a flow. What is said again in these very words tells nothing new."""
        known = self.pairs.get((key, id(source), id(destination)))
        if known is not None:
            return known
        self._meet(source)
        self._meet(destination)
        ends = ends_of(key, source.ip, destination.ip)
        is_lower = None if source.ip == destination.ip else source.ip < destination.ip
        pair = AddressPair(source, destination, ends, is_lower, self.attempts.setdefault(ends, {}))
        if len(self.pairs) >= MOST_PAIRS:
            self.pairs.clear()
        if not (source.service or destination.service):  # of which the last word counts
            self.pairs[key, id(source), id(destination)] = pair
        return pair

    def _meet(self, end: FlowEndpoint) -> None:
        """Notes what a flow says of an address."""
        host = self.hosts.get(end.ip)
        if host is None:
            host = self.hosts[end.ip] = HostFacts(end.ip, end)
        host.know(end)
        host.is_pod = host.is_pod or bool(end.pod)
        host.identities.setdefault(end.identity, end.entities)
        host.names.update(end.names)
        host.service = end.service or host.service

    def _take(
        self, signs: PacketSigns, pair: AddressPair, ports: Ports, node_name: str, when: datetime | None
    ) -> Attempt | None:
        """The attempt of a packet, with what the packet shows; None where it is of none."""
        if signs.kind == "SOCK":  # a socket's address being translated, not a packet
            return None
        is_dropped = signs.verdict == "DROPPED"
        if is_dropped and (kind := noise_of(signs.reason, signs.protocol, signs.icmp, pair.destination.ip)):
            self.noise[kind] += signs.event != POLICY_VERDICT
            return None
        is_lower = ports[0] <= ports[1] if pair.is_lower is None else pair.is_lower
        key = ports if is_lower else (ports[1], ports[0])
        attempt = pair.attempts.get(key) or self._begin(pair, key)
        node = self.nodes.get(node_name) or self.node_bit(node_name)
        note_packet(attempt, signs, ports, is_lower, node, when)
        if attempt.icmp is None:
            attempt.icmp = signs.icmp
        if is_dropped and when is not None:
            note_drop_time(attempt, signs, node, when)
        if is_dropped and signs.kind != "L7":
            note_drop(attempt, signs, pair.source.identity, pair.destination.identity, is_lower)
        elif signs.verdict == "AUDIT" and signs.kind != "L7":
            attempt.audited = True
        return attempt

    def _begin(self, pair: AddressPair, ports: Ports) -> Attempt:
        """A new attempt; where there are as many as memory is meant for, those before it are summed up."""
        if not self.room:
            self.fold()
            pair.attempts = self.attempts.setdefault(pair.ends, {})
        self.room -= 1
        attempt = pair.attempts[ports] = Attempt()
        return attempt

    def node_bit(self, node: str) -> int:
        """Bit that stands for a node, 0 where none is named."""
        return self.nodes.setdefault(node, 1 << len(self.nodes)) if node else 0

    def _take_message(self, flow: HubbleFlow, attempt: Attempt) -> None:
        attempt.denied += flow.verdict == "DROPPED"
        client, port = (flow.destination, flow.destination_port) if flow.is_reply else (flow.source, flow.source_port)
        if flow.dns is not None and port not in PROBE_PORTS:
            key = (client.ip, flow.dns.query, flow.dns.qtypes)
            self.names.setdefault(key, DnsTally()).add(flow)
        if flow.http is not None:
            server, port = (
                (flow.source, flow.source_port) if flow.is_reply else (flow.destination, flow.destination_port)
            )
            group = ("TCP", client.ip, server.ip, port)
            said = (flow.http.method, flow.http.path, flow.http.code, flow.verdict)
            self.counted_http(group)[said] += 1

    def counted_http(self, group: GroupKey) -> Counter[tuple[str, str, int, str]]:
        """HTTP requests of a connection, as counted so far."""
        return self.http.setdefault(group, Counter())

    def fold(self, but: Iterable[tuple[Ends, Iterable[Ports]]] = ()) -> None:
        """Sum the attempts gathered so far into their connections and forget them, all `but` some."""
        whole, self.attempts, self.room, excepted = self.attempts, {}, FOLD, dict(but)
        self.pairs.clear()
        for ends, attempts in whole.items():
            kept = {ports: attempts.pop(ports) for ports in excepted.get(ends, ()) if ports in attempts}
            reunite(ends, attempts)
            self._sum_up(ends, attempts)
            if kept:
                self.attempts[ends] = kept
                self.room -= len(kept)

    def _sum_up(self, ends: Ends, attempts: Mapping[Ports, Attempt]) -> None:
        protocol, lower, upper = ends
        has_ports = protocol in ("TCP", "UDP")
        for (lower_port, upper_port), attempt in attempts.items():
            lower_began = did_lower_begin(attempt)
            client_port, port = (lower_port, upper_port) if lower_began else (upper_port, lower_port)
            key = (protocol, lower, upper, port) if lower_began else (protocol, upper, lower, port)
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = AttemptGroup()
            group.probed += has_ports and client_port in PROBE_PORTS
            add_attempt(group, attempt, lower_began)

    def all(self, *, started: datetime | None = None, until: datetime | None = None) -> tuple[Connection, ...]:
        """Every connection, the worst first: most dropped packets, then most attempts without success.

        `started` is when the pod came to life that the flows were asked for; without it nothing is a start race.
        `until` is when the flows end: what began just before may still be answered.
        """
        self.fold()
        found = [self._connection(key, group, started, until) for key, group in self.groups.items()]
        return tuple(sorted(found, key=_severity))

    def dns(self) -> tuple[DnsOutcome, ...]:
        """Names that the DNS proxy saw, in the order in which names were last used."""
        outcomes = [tally.outcome(*key) for key, tally in self.names.items()]
        return tuple(sorted(outcomes, key=lambda each: (each.last is None, each.last, each.query)))

    def _connection(
        self, key: GroupKey, group: AttemptGroup, started: datetime | None, until: datetime | None
    ) -> Connection:
        protocol, client, server, port = key
        return Connection(
            source=self._party(client),
            destination=self._party(server),
            protocol=protocol.partition("/")[0],
            port=port,
            outcome=outcome_of(group, until),
            attempts=group.attempts,
            opened=group.opened,
            dropped=group.dropped,
            refused=group.refused,
            unanswered=group.unanswered,
            reset=group.reset,
            denied=group.denied,
            audited=group.audited,
            packets_dropped=sum(packets for packets, _ in group.drops.values()),
            drops=drops_of(group),
            policies=tuple(sorted(group.policies, key=_spelling)),
            delivered=bool(group.client & POINT_BITS["TO_ENDPOINT"]),
            redirected=bool(group.client & PROXIED),
            points=tuple(name for name, bit in POINT_BITS.items() if group.client & bit),
            nodes=tuple(sorted(name for name, bit in self.nodes.items() if group.nodes & bit)),
            icmp=group.icmp,
            http=_http_outcomes(self.http.get(key)),
            first=group.first,
            last=group.last,
            first_drop=group.first_drop,
            last_drop=group.last_drop,
            first_opened=group.first_opened,
            last_opened=group.last_opened,
            passes_again=passes_again(group),
            probed=group.probed,
            began=tuple(newest(group.began)),
            only_at_start=only_at_start(group, started),
            stale_peer=self._is_stale(server, group),
        )

    def _is_stale(self, server: str, group: AttemptGroup) -> bool:
        host = self.hosts[server]
        if not host.is_pod:
            return False
        taken_for = {key[4] for key in group.drops if not key[0]}
        return any("world" in host.identities.get(identity, ()) for identity in taken_for)

    def _party(self, ip: str) -> Party:
        host = self.hosts[ip]
        best = host.best
        workload = next((f"{each.kind}/{each.name}" for each in best.workloads), "")
        entities = dict.fromkeys(entity for said in host.identities.values() for entity in said)
        return Party(
            ip,
            best.namespace,
            best.pod,
            workload,
            best.labels,
            tuple(sorted(each for each in host.identities if each)),
            tuple(entities),
            tuple(sorted(host.names)),
            host.service,
        )


def _http_outcomes(seen: Counter[tuple[str, str, int, str]] | None) -> tuple[HttpOutcome, ...]:
    return tuple(HttpOutcome(*said, count) for said, count in (seen or Counter()).most_common(MOST_PATHS))


def _spelling(each: PolicyUse) -> tuple[str, ...]:
    return each.verdict, each.kind, each.name, each.namespace, each.direction


def _severity(each: Connection) -> tuple[int, int, int, str, str, str]:
    """The worst first; the last words are there for an order that does not depend on which flow came first."""
    failed = each.refused + each.denied + each.unanswered
    ends = each.source.ip, each.destination.ip
    return -each.packets_dropped, -failed, -each.attempts, str(each), *ends
