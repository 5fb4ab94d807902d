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
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import msgspec

from sensors.hubble.attempt import (
    POINT_BITS,
    PROXIED,
    Attempt,
    AttemptKey,
    did_lower_begin,
    key_of,
    note_drop,
    note_drop_time,
    note_packet,
    note_policies,
    reunite,
)
from sensors.hubble.dns_tally import DnsTally
from sensors.hubble.group import AttemptGroup, add_attempt, drops_of, only_at_start, outcome_of, passes_again
from sensors.hubble.noise import noise
from sensors.hubble.outcomes import Connection, DnsOutcome, HttpOutcome, Party, PolicyUse
from sensors.hubble.records import KNOWN_VERDICTS, FlowEndpoint, HubbleFlow

FOLD = 50_000  # attempts kept apart in memory before they are summed into connections

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


class Connections:
    """Gathers hubble flows, in any order, and says at the end what the connections were."""

    def __init__(self) -> None:
        self.flows = 0  # after removing what came twice
        self.noise: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.attempts: dict[AttemptKey, Attempt] = {}
        self.groups: dict[GroupKey, AttemptGroup] = {}
        self.hosts: dict[str, HostFacts] = {}
        self.nodes: dict[str, int] = {}
        self.http: dict[GroupKey, Counter[tuple[str, str, int, str]]] = {}
        self.names: dict[tuple[str, str, tuple[str, ...]], DnsTally] = {}

    def add(self, flow: HubbleFlow) -> bool:
        """Take one hubble flow; False if it was here before (the same uuid from two questions)."""
        if flow.uuid:
            if flow.uuid in self.seen:
                return False
            self.seen.add(flow.uuid)
        self.flows += 1
        if flow.verdict not in KNOWN_VERDICTS and flow.drop_reason:
            flow = msgspec.structs.replace(flow, verdict="DROPPED")  # a word newer than us, and yet a reason to drop
        one, other = self._meet(flow.source), self._meet(flow.destination)
        if flow.kind == "SOCK":  # a socket's address being translated, not a packet
            return True
        kind = noise(flow) if flow.verdict == "DROPPED" else ""
        if kind:
            self.noise[kind] += flow.event != 5
            return True
        self._take(flow, one, other)
        return True

    def _meet(self, end: FlowEndpoint) -> str:
        """Notes what a flow says of an address; gives the address, always as the same object: many attempts hold it."""
        host = self.hosts.get(end.ip)
        if host is None:
            host = self.hosts[end.ip] = HostFacts(end.ip, end)
        elif end.pod:
            host.know(end)
        if end.pod:
            host.is_pod = True
        if end.identity not in host.identities:
            host.identities[end.identity] = end.entities
        if end.names:
            host.names.update(end.names)
        if end.service:
            host.service = end.service
        return host.ip

    def _take(self, flow: HubbleFlow, one: str, other: str) -> None:
        key, is_lower = key_of(flow, one, other)
        attempt = self.attempts.get(key)
        if attempt is None:
            if len(self.attempts) >= FOLD:
                self.fold()
            attempt = self.attempts[key] = Attempt()
        node = self.nodes.get(flow.node) or self.node_bit(flow.node)
        note_packet(attempt, flow, is_lower, node)
        if flow.source_xlated:
            attempt.translated = True
        if flow.icmp_type is not None and attempt.icmp is None:
            attempt.icmp = (flow.icmp_type, flow.icmp_code or 0)
        if flow.verdict == "DROPPED":
            note_drop_time(attempt, flow, node)
        if flow.kind == "L7":
            self._take_message(flow, attempt)
        elif flow.verdict == "DROPPED":
            note_drop(attempt, flow, is_lower)
        elif flow.verdict == "AUDIT":
            attempt.audited = True
        if flow.event == 5:
            note_policies(attempt, flow)

    def node_bit(self, node: str) -> int:
        """Bit that stands for a node, 0 where none is named."""
        return self.nodes.setdefault(node, 1 << len(self.nodes)) if node else 0

    def _take_message(self, flow: HubbleFlow, attempt: Attempt) -> None:
        attempt.denied += flow.verdict == "DROPPED"
        client = flow.destination if flow.is_reply else flow.source
        if flow.dns is not None and client.port not in PROBE_PORTS:
            key = (client.ip, flow.dns.query, flow.dns.qtypes)
            self.names.setdefault(key, DnsTally()).add(flow)
        if flow.http is not None:
            ends = (flow.destination, flow.source) if flow.is_reply else (flow.source, flow.destination)
            group = ("TCP", ends[0].ip, ends[1].ip, ends[1].port)
            said = (flow.http.method, flow.http.path, flow.http.code, flow.verdict)
            self.counted_http(group)[said] += 1

    def counted_http(self, group: GroupKey) -> Counter[tuple[str, str, int, str]]:
        """HTTP requests of a connection, as counted so far."""
        return self.http.setdefault(group, Counter())

    def fold(self, but: AbstractSet[AttemptKey] = frozenset()) -> None:
        """Sum the attempts gathered so far into their connections and forget them, all `but` some."""
        kept = {key: self.attempts[key] for key in self.attempts if key in but} if but else {}
        for key in kept:
            del self.attempts[key]
        reunite(self.attempts)
        for (protocol, lower, lower_port, upper, upper_port), attempt in self.attempts.items():
            lower_began = did_lower_begin(attempt)
            client_port = lower_port if lower_began else upper_port
            ends = (protocol, lower, upper, upper_port) if lower_began else (protocol, upper, lower, lower_port)
            group = self.groups.get(ends)
            if group is None:
                group = self.groups[ends] = AttemptGroup()
            group.probed += protocol in ("TCP", "UDP") and client_port in PROBE_PORTS
            add_attempt(group, attempt, lower_began)
        self.attempts = kept

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
            began=tuple(group.began),
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
