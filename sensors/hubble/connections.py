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

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from sensors.hubble.drop_reasons import Noise, name_of, reason
from sensors.hubble.records import KNOWN_VERDICTS, Endpoint, HubbleFlow, Policy

EPHEMERAL = 32768  # Linux gives clients source ports from here on
YOUTH = timedelta(seconds=60)  # a pod's first minute: scheduling, image and start lie before its first packet
RACE = timedelta(seconds=10)  # a new pod's identity reaches all nodes within this
CLOCKS = timedelta(seconds=1)  # two nodes' clocks agree within this; nearer than that they tell no order
FOLD = 50_000  # attempts kept apart in memory before they are summed into connections

MOST_PATHS = 50  # HTTP paths told per connection
MOST_ADDRESSES = 20  # told per DNS name

PROBE_PORTS = range(61000, 62000)  # source ports that KAI's probe tries doors from; Linux gives out none above 60999
MOST_BEGINNINGS = 16  # told per connection

POLICY_VERDICT = 5  # the event type of a policy's own word
BOTH = ("EGRESS", "INGRESS")

NEIGHBOURS = frozenset({130, 131, 132, 133, 134, 135, 136, 143})  # ICMPv6: MLD, router and neighbour discovery


class Outcome(StrEnum):
    """What becomes of the attempts of a connection. The newest word counts; `mixed` when it goes to and fro."""

    OPENED = "opened"
    DROPPED = "dropped"
    MIXED = "mixed"  # opened and failed in turns, or one request denied and the next not
    DENIED = "denied"  # let through to a proxy, which refused the request
    REFUSED = "refused"  # delivered, and answered with RST: nobody listens
    UNANSWERED = "unanswered"  # sent, not dropped where we could see, no answer
    UNKNOWN = "unknown"  # seen in the middle: neither beginning nor answer


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a connection: everything Hubble said of its address.

    `identities` are the numbers the datapath used, several if they changed; `entities` the reserved ones by name
    (`world`, `host`, `kube-apiserver`, …); `names` DNS names known for it; `service` `namespace/name` if seen as one.
    """

    ip: str
    namespace: str = ""
    pod: str = ""
    workload: str = ""
    labels: tuple[str, ...] = ()
    identities: tuple[int, ...] = ()
    entities: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    service: str = ""

    def __str__(self) -> str:
        """The shortest honest name: pod, service, DNS name, entity and address."""
        if self.pod:
            return f"{self.namespace}/{self.pod}"
        if self.service:
            return f"service {self.service} ({self.ip})"
        told = self.names[0] if self.names else ", ".join(self.entities)
        return f"{told} ({self.ip})" if told else self.ip


@dataclass(frozen=True, slots=True)
class Drop:
    """Packets of a connection dropped for one reason on one side.

    `direction` is that of the policy that was asked (EGRESS at the sender's end, INGRESS at the receiver's), empty if
    not said. `attempts` had at least one such packet. `of_reply`: the answers were dropped, not the questions, and
    the direction is then the wrong way round. `source_identity`, `destination_identity`: what the datapath took the
    two for at that moment, as sent (of the packet, not of the connection).
    """

    number: int
    reason: str
    direction: str
    packets: int
    attempts: int
    source_identity: int
    destination_identity: int
    of_reply: bool = False


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """A policy the datapath named. `verdict` is `allowed` or `denied`; on reason 133 `denied` is a hint at most."""

    verdict: str
    direction: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class HttpOutcome:
    """Requests a proxy saw, by method, path (without query) and answer; `code` 0 = no answer seen."""

    method: str
    path: str
    code: int
    verdict: str
    count: int


@dataclass(frozen=True, slots=True)
class Connection:
    """All attempts of one client to reach one server port. `source` is who began, whoever sent a given packet.

    `outcome` is the newest word (what opened once and is dropped now is dropped), the counts are of the whole time;
    an attempt (distinct 5-tuple) can be dropped first and opened later, so they may overlap. `icmp` is (type, code)
    and `port` 0 for ICMP. `delivered`: a packet from the client was seen entering the server's own interface. `points`
    are the places its forwarded packets were seen at. `only_at_start`: dropped for some seconds when the asked pod was
    new, and let through since. `stale_peer`: dropped as world, although the address was a pod's in other flows.
    `audited` attempts passed only because policy audit mode is on. `probed` attempts came from the source ports of
    KAI's own probe (`PROBE_PORTS`); `began` tells when the newest attempts began. `passes_again`: each policy that
    dropped has let through since.
    """

    source: Party
    destination: Party
    protocol: str
    port: int
    outcome: Outcome
    attempts: int
    opened: int = 0
    dropped: int = 0
    refused: int = 0
    unanswered: int = 0
    reset: int = 0
    denied: int = 0
    audited: int = 0
    packets_dropped: int = 0
    drops: tuple[Drop, ...] = ()
    policies: tuple[PolicyUse, ...] = ()
    delivered: bool = False
    redirected: bool = False
    points: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    icmp: tuple[int, int] | None = None
    http: tuple[HttpOutcome, ...] = ()
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    first_opened: datetime | None = None
    last_opened: datetime | None = None
    passes_again: bool = False
    probed: int = 0
    began: tuple[datetime, ...] = ()
    only_at_start: bool = False
    stale_peer: bool = False

    def __str__(self) -> str:
        door = f" {self.protocol}/{self.port}" if self.port else f" {self.protocol}"
        return f"{self.source} → {self.destination}{door}"


@dataclass(frozen=True, slots=True)
class DnsOutcome:
    """What the DNS proxy saw of one name: `rcodes` by name with counts, `denied` questions it refused by policy.

    Search lists make NXDOMAIN for every name but the last one tried: judge the last of a burst.
    """

    client: str
    query: str
    qtypes: tuple[str, ...]
    asked: int
    answered: int
    denied: int
    rcodes: tuple[tuple[str, int], ...]
    addresses: tuple[str, ...]
    first: datetime | None
    last: datetime | None


RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


# What one end of an attempt was seen doing.
FORWARDED, SYN, SYN_ACK, RST, TALKED, PROXIED, ANSWERED = 1, 2, 4, 8, 16, 32, 64
OPAQUE = 128  # something befell a packet that this version has no word for
POINT_BITS = {"TO_ENDPOINT": 1 << 8, "TO_OVERLAY": 1 << 9, "TO_NETWORK": 1 << 10, "TO_STACK": 1 << 11}
POINT_BITS |= {"TO_HOST": 1 << 12, "TO_PROXY": 1 << 13, "FROM_NETWORK": 1 << 14, "TO_CRYPTO": 1 << 15}

Door: TypeAlias = tuple[str, int]
AttemptKey: TypeAlias = tuple[str, Door, Door]
GroupKey: TypeAlias = tuple[str, str, str, int]
DropKey: TypeAlias = tuple[int, int, str, int, int]  # sender, reason, direction, source and destination identity
Moments: TypeAlias = dict[tuple[int, str], datetime]  # the newest by node (its bit) and direction of the policy asked


@dataclass(slots=True)
class _Attempt:
    """One 5-tuple, both directions. `leaning` > 0 says that the lower door began, < 0 the upper."""

    leaning: int = 0
    hint: int = 0
    lower: int = 0  # bits: what the lower door did
    upper: int = 0
    nodes: int = 0
    denied: int = 0
    audited: bool = False
    translated: bool = False
    icmp: tuple[int, int] | None = None
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    passed: Moments | None = None
    dropped_at: Moments | None = None
    drops: dict[DropKey, list[int]] | None = None
    policies: set[PolicyUse] | None = None


@dataclass(slots=True)
class _Host:
    """What was said of one address."""

    best: Endpoint
    identities: dict[int, tuple[str, ...]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    is_pod: bool = False
    service: str = ""


@dataclass(slots=True)
class _Group:
    """The sum of the attempts between two addresses on one port."""

    attempts: int = 0
    opened: int = 0
    dropped: int = 0
    refused: int = 0
    unanswered: int = 0
    reset: int = 0
    denied: int = 0
    audited: int = 0
    client: int = 0  # bits, all attempts together
    nodes: int = 0
    icmp: tuple[int, int] | None = None
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    passed: Moments = field(default_factory=dict)
    dropped_at: Moments = field(default_factory=dict)
    first_opened: datetime | None = None  # when the attempts began that opened, were refused, got no answer
    last_opened: datetime | None = None
    first_refused: datetime | None = None
    last_refused: datetime | None = None
    unanswered_at: list[datetime] = field(default_factory=list)  # the last two
    probed: int = 0
    began: list[datetime] = field(default_factory=list)  # the newest
    drops: dict[tuple[bool, int, str, int, int], list[int]] = field(default_factory=dict)
    policies: set[PolicyUse] = field(default_factory=set)


@dataclass(slots=True)
class _DnsTally:
    """What came by for one client, name and type."""

    asked: int = 0
    answered: int = 0
    denied: int = 0
    rcodes: Counter[int] = field(default_factory=Counter)
    addresses: dict[str, None] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, flow: HubbleFlow) -> None:
        if flow.dns is None:
            return
        self.first, self.last = _earlier(self.first, flow.time), _later(self.last, flow.time)
        if flow.dns.rcode is None:
            self.asked += 1
            self.denied += flow.verdict == "DROPPED"
            return
        self.answered += 1
        self.rcodes[flow.dns.rcode] += 1
        self.addresses |= dict.fromkeys(flow.dns.ips[:MOST_ADDRESSES])

    def outcome(self, client: str, query: str, qtypes: tuple[str, ...]) -> DnsOutcome:
        rcodes = tuple((RCODES.get(number, str(number)), count) for number, count in sorted(self.rcodes.items()))
        addresses = tuple(self.addresses)[:MOST_ADDRESSES]
        return DnsOutcome(
            client, query, qtypes, self.asked, self.answered, self.denied, rcodes, addresses, self.first, self.last
        )


class Connections:
    """Gathers hubble flows, in any order, and says at the end what the connections were."""

    def __init__(self) -> None:
        self.flows = 0  # after removing what came twice
        self.noise: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._groups: dict[GroupKey, _Group] = {}
        self._hosts: dict[str, _Host] = {}
        self._nodes: dict[str, int] = {}
        self._http: dict[GroupKey, Counter[tuple[str, str, int, str]]] = {}
        self._dns: dict[tuple[str, str, tuple[str, ...]], _DnsTally] = {}

    def add(self, flow: HubbleFlow) -> bool:
        """Take one hubble flow; False if it was here before (the same uuid from two questions)."""
        if flow.uuid:
            if flow.uuid in self._seen:
                return False
            self._seen.add(flow.uuid)
        self.flows += 1
        if flow.verdict not in KNOWN_VERDICTS and flow.drop_reason:
            flow = msgspec.structs.replace(flow, verdict="DROPPED")  # a word newer than us, and yet a reason to drop
        self._meet(flow.source)
        self._meet(flow.destination)
        if flow.kind == "SOCK":  # a socket's address being translated, not a packet
            return True
        kind = noise(flow) if flow.verdict == "DROPPED" else ""
        if kind:
            self.noise[kind] += flow.event != 5
            return True
        self._take(flow)
        return True

    def _meet(self, end: Endpoint) -> None:
        host = self._hosts.get(end.ip)
        if host is None:
            host = self._hosts[end.ip] = _Host(end)
        elif end.pod and (not host.best.pod or (end.id and not host.best.id)):
            host.best = end
        host.is_pod = host.is_pod or bool(end.pod)
        if end.identity not in host.identities:
            host.identities[end.identity] = end.entities
        if end.names:
            host.names.update(end.names)
        if end.service:
            host.service = end.service

    def _take(self, flow: HubbleFlow) -> None:
        source, destination = (flow.source.ip, flow.source.port), (flow.destination.ip, flow.destination.port)
        is_lower = source <= destination
        key = (_protocol(flow), source, destination) if is_lower else (_protocol(flow), destination, source)
        attempt = self._attempts.get(key)
        if attempt is None:
            if len(self._attempts) >= FOLD:
                self._fold()
            attempt = self._attempts[key] = _Attempt()
        _note_time(attempt, flow)
        _note_side(attempt, flow, is_lower)
        node = self._node_bit(flow.node)
        attempt.nodes |= node
        _note_passing(attempt, flow, node)
        if flow.source_xlated:
            attempt.translated = True
        if flow.icmp_type is not None and attempt.icmp is None:
            attempt.icmp = (flow.icmp_type, flow.icmp_code or 0)
        if flow.kind == "L7":
            self._take_message(flow, attempt)
        elif flow.verdict == "DROPPED":
            _note_drop(attempt, flow, is_lower)
        elif flow.verdict == "AUDIT":
            attempt.audited = True
        if flow.event == 5:
            _note_policies(attempt, flow)

    def _node_bit(self, node: str) -> int:
        return self._nodes.setdefault(node, 1 << len(self._nodes)) if node else 0

    def _take_message(self, flow: HubbleFlow, attempt: _Attempt) -> None:
        attempt.denied += flow.verdict == "DROPPED"
        if flow.dns is not None:
            client = flow.destination.ip if flow.is_reply else flow.source.ip
            key = (client, flow.dns.query, flow.dns.qtypes)
            self._dns.setdefault(key, _DnsTally()).add(flow)
        if flow.http is not None:
            ends = (flow.destination, flow.source) if flow.is_reply else (flow.source, flow.destination)
            group = ("TCP", ends[0].ip, ends[1].ip, ends[1].port)
            said = (flow.http.method, flow.http.path, flow.http.code, flow.verdict)
            self._http.setdefault(group, Counter())[said] += 1

    def _fold(self) -> None:
        """Sum the attempts gathered so far into their connections and forget them."""
        _reunite(self._attempts)
        for (protocol, lower, upper), attempt in self._attempts.items():
            lower_began = _lower_began(attempt)
            client, server = (lower, upper) if lower_began else (upper, lower)
            key = (protocol, client[0], server[0], server[1])
            group = self._groups.setdefault(key, _Group())
            group.probed += protocol == "TCP" and client[1] in PROBE_PORTS
            _sum(group, attempt, lower_began)
        self._attempts.clear()

    def all(self, *, started: datetime | None = None, until: datetime | None = None) -> tuple[Connection, ...]:
        """Every connection, the worst first: most dropped packets, then most attempts without success.

        `started` is when the pod came to life that the flows were asked for; without it nothing is a start race.
        `until` is when the flows end: what began just before may still be answered.
        """
        self._fold()
        found = [self._connection(key, group, started, until) for key, group in self._groups.items()]
        return tuple(sorted(found, key=_severity))

    def dns(self) -> tuple[DnsOutcome, ...]:
        """What the DNS proxy saw, in the order in which names were last used."""
        outcomes = [tally.outcome(*key) for key, tally in self._dns.items()]
        return tuple(sorted(outcomes, key=lambda each: (each.last is None, each.last, each.query)))

    def _connection(self, key: GroupKey, group: _Group, started: datetime | None, until: datetime | None) -> Connection:
        protocol, client, server, port = key
        return Connection(
            source=self._party(client),
            destination=self._party(server),
            protocol=protocol.partition("/")[0],
            port=port,
            outcome=_outcome(group, until),
            attempts=group.attempts,
            opened=group.opened,
            dropped=group.dropped,
            refused=group.refused,
            unanswered=group.unanswered,
            reset=group.reset,
            denied=group.denied,
            audited=group.audited,
            packets_dropped=sum(packets for packets, _ in group.drops.values()),
            drops=_drops(group),
            policies=tuple(sorted(group.policies, key=lambda each: (each.verdict, each.kind, each.name))),
            delivered=bool(group.client & POINT_BITS["TO_ENDPOINT"]),
            redirected=bool(group.client & PROXIED),
            points=tuple(name for name, bit in POINT_BITS.items() if group.client & bit),
            nodes=tuple(sorted(name for name, bit in self._nodes.items() if group.nodes & bit)),
            icmp=group.icmp,
            http=_http_outcomes(self._http.get(key)),
            first=group.first,
            last=group.last,
            first_drop=group.first_drop,
            last_drop=group.last_drop,
            first_opened=group.first_opened,
            last_opened=group.last_opened,
            passes_again=_passes_again(group),
            probed=group.probed,
            began=tuple(group.began),
            only_at_start=_only_at_start(group, started),
            stale_peer=self._is_stale(server, group),
        )

    def _is_stale(self, server: str, group: _Group) -> bool:
        host = self._hosts[server]
        if not host.is_pod:
            return False
        taken_for = {key[4] for key in group.drops if not key[0]}
        return any("world" in host.identities.get(identity, ()) for identity in taken_for)

    def _party(self, ip: str) -> Party:
        host = self._hosts[ip]
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


# --------------------------------------------------------------------------------------------------------------------
# One flow into its attempt


def _protocol(flow: HubbleFlow) -> str:
    """The protocol; for ICMP with its type, echo and its reply being one."""
    if flow.icmp_type is None:
        return flow.protocol
    kind = {0: 8, 129: 128}.get(flow.icmp_type, flow.icmp_type)
    return f"{flow.protocol}/{kind}"


def _note_time(attempt: _Attempt, flow: HubbleFlow) -> None:
    when = flow.time
    if when is None:
        return
    if attempt.first is None or when < attempt.first:
        attempt.first = when
    if attempt.last is None or when > attempt.last:
        attempt.last = when
    if flow.verdict == "DROPPED":
        attempt.first_drop = _earlier(attempt.first_drop, when)
        attempt.last_drop = _later(attempt.last_drop, when)


def _note_passing(attempt: _Attempt, flow: HubbleFlow, node: int) -> None:
    """When a node dropped the client's packet, or showed that a policy let it through."""
    if flow.time is None or (flow.verdict == "DROPPED" and flow.is_reply):
        return
    if flow.verdict == "DROPPED":
        attempt.dropped_at = _newest(attempt.dropped_at or {}, (node, flow.direction), flow.time)
    elif flow.verdict in ("FORWARDED", "REDIRECTED"):
        for direction in _lets_through(flow.event, flow.direction, flow.observed_at, flow.flags, flow.is_reply):
            attempt.passed = _newest(attempt.passed or {}, (node, direction), flow.time)


@lru_cache(maxsize=1024)
def _lets_through(
    event: int, direction: str, point: str, flags: frozenset[str], is_reply: bool | None
) -> tuple[str, ...]:
    """Whose policy has let the connection through when this is seen: EGRESS, INGRESS, both or nobody's.

    A packet that leaves its sender's node says nothing about the receiver, and one that only enters the datapath
    (`FROM_…`) nothing at all. The server's SYN-ACK, or any answer where there is no handshake, shows both. Later
    answers of a TCP connection pass by connection tracking, also where the client's packets are dropped since.
    """
    if is_reply or {"SYN", "ACK"} <= flags:
        return () if flags and "SYN" not in flags else BOTH
    if event == POLICY_VERDICT:
        return (direction,)
    if point == "TO_ENDPOINT":
        return BOTH
    return ("EGRESS",) if point.startswith("TO_") else ()


def _newest(known: Moments, key: tuple[int, str], when: datetime) -> Moments:
    if key not in known or when > known[key]:
        known[key] = when
    return known


def _note_side(attempt: _Attempt, flow: HubbleFlow, is_lower: bool) -> None:
    """Who sent this, what it shows of them, and who must have begun."""
    bits, began = _signs(flow.flags, flow.is_reply, flow.verdict, flow.kind, flow.observed_at)
    if began:
        attempt.leaning += began if is_lower else -began
    else:
        attempt.hint += _port_hint(flow) if is_lower else -_port_hint(flow)
    if is_lower:
        attempt.lower |= bits
    else:
        attempt.upper |= bits


@lru_cache(maxsize=1024)
def _signs(flags: frozenset[str], is_reply: bool | None, verdict: str, kind: str, point: str) -> tuple[int, int]:
    """What the packet's sender did (bits), and whether it began: 1 yes, -1 no, 0 cannot be told."""
    bits, began = _signs_of_flags(flags)
    if is_reply is not None:
        began = -1 if is_reply else 1
    if verdict in ("DROPPED", "ERROR"):
        return 0, began  # a dropped packet reached nobody: it shows who began, and nothing else
    if verdict not in KNOWN_VERDICTS:
        return OPAQUE, began
    if kind == "L7":
        return (ANSWERED if is_reply else 0), began
    if verdict == "REDIRECTED":
        bits |= PROXIED
    return bits | FORWARDED | POINT_BITS.get(point, 0), began


def _signs_of_flags(flags: frozenset[str]) -> tuple[int, int]:
    if not flags:
        return 0, 0
    if "SYN" in flags:
        return (SYN_ACK, -1) if "ACK" in flags else (SYN, 1)
    return (RST, 0) if "RST" in flags else (TALKED, 0)


def _port_hint(flow: HubbleFlow) -> int:
    """Drops carry no `is_reply`: from a service's port to a client's is an answer, else believe the datapath."""
    return -1 if flow.source.port < EPHEMERAL <= flow.destination.port and flow.source.port else 1


def _note_drop(attempt: _Attempt, flow: HubbleFlow, is_lower: bool) -> None:
    sender = 0 if is_lower else 1
    key = (sender, flow.drop_reason, flow.direction, flow.source.identity, flow.destination.identity)
    if attempt.drops is None:
        attempt.drops = {}
    counts = attempt.drops.setdefault(key, [0, 0])
    counts[flow.event == 5] += 1  # [drops, verdicts] of what are the same packets


def _note_policies(attempt: _Attempt, flow: HubbleFlow) -> None:
    for verdict, direction, named in (
        ("allowed", "EGRESS", flow.egress_allowed_by),
        ("allowed", "INGRESS", flow.ingress_allowed_by),
        ("denied", "EGRESS", flow.egress_denied_by),
        ("denied", "INGRESS", flow.ingress_denied_by),
    ):
        if named:
            attempt.policies = attempt.policies or set()
            attempt.policies.update(_use(verdict, direction, each) for each in named)


@lru_cache(maxsize=1024)
def _use(verdict: str, direction: str, policy: Policy) -> PolicyUse:
    return PolicyUse(verdict, direction, policy.kind, policy.namespace, policy.name)


def noise(flow: HubbleFlow) -> str:
    """Which kind of noise a dropped packet is, in a word or two; empty if it may matter."""
    expected = reason(flow.drop_reason).noise
    destination = flow.destination.ip
    if expected is Noise.ALWAYS:
        return "not a drop"
    if flow.protocol == "ICMPv6" and flow.icmp_type in NEIGHBOURS:
        return "IPv6 neighbour chatter"
    if _is_multicast(destination):
        return "multicast"
    if expected is Noise.IPV6 and destination[:4].lower() == "fe80":
        return "IPv6 neighbour chatter"
    if flow.protocol == "ICMPv4" and (flow.icmp_type, flow.icmp_code) == (3, 3):
        return "late answer turned away"
    return ""


def _is_multicast(ip: str) -> bool:
    if ip[:2].lower() == "ff" and ":" in ip:
        return True
    head = ip.partition(".")[0]
    return ip == "255.255.255.255" or (len(head) == 3 and "224" <= head <= "239")


# --------------------------------------------------------------------------------------------------------------------
# Attempts into connections


def _reunite(attempts: dict[AttemptKey, _Attempt]) -> None:
    """Where services are translated per packet, an answer comes from the backend's address but the service's port.

    Such an answer makes a 5-tuple of its own; give what it shows to the attempt it belongs to: the one between
    the same client door and the same address.
    """
    strays = {_home(key, attempt): key for key, attempt in attempts.items() if attempt.translated and not attempt.drops}
    if not strays:
        return
    for key in list(attempts):
        protocol, lower, upper = key
        for client, server in ((lower, upper), (upper, lower)):
            stray = strays.get((protocol, client, server[0]))
            if stray is not None and stray != key and stray in attempts:
                _bring_home(attempts[key], attempts.pop(stray), client is lower, stray[1] == client)


def _home(key: AttemptKey, stray: _Attempt) -> tuple[str, Door, str]:
    """Where an answer belongs: the client's door, and the address that answered."""
    protocol, lower, upper = key
    client, server = (lower, upper) if _lower_began(stray) else (upper, lower)
    return protocol, client, server[0]


def _bring_home(home: _Attempt, stray: _Attempt, client_is_lower: bool, client_was_lower: bool) -> None:
    answer = stray.upper if client_was_lower else stray.lower
    if client_is_lower:
        home.upper |= answer
    else:
        home.lower |= answer
    home.nodes |= stray.nodes
    home.last = _later(home.last, stray.last)


def _lower_began(attempt: _Attempt) -> bool:
    return attempt.leaning > 0 if attempt.leaning else attempt.hint >= 0


def _sum(group: _Group, attempt: _Attempt, lower_began: bool) -> None:
    client, server = (attempt.lower, attempt.upper) if lower_began else (attempt.upper, attempt.lower)
    group.attempts += 1
    group.client |= client
    group.nodes |= attempt.nodes
    group.icmp = group.icmp or attempt.icmp
    group.denied += attempt.denied > 0
    group.audited += attempt.audited
    _sum_result(group, attempt, client, server)
    _sum_drops(group, attempt, lower_began)
    _sum_times(group, attempt)
    if attempt.policies:
        group.policies |= attempt.policies


def _sum_result(group: _Group, attempt: _Attempt, client: int, server: int) -> None:
    opened = bool(server & (SYN_ACK | TALKED | ANSWERED) or client & TALKED)
    opened = opened or bool(server & FORWARDED and not server & RST)  # UDP, ICMP: any answer
    refused = bool(server & RST and client & SYN and not opened)
    group.reset += bool((server | client) & RST and not refused)
    group.dropped += attempt.drops is not None
    if opened and not attempt.denied:  # a proxy opens in order to refuse
        group.opened += 1
        group.first_opened = _earlier(group.first_opened, attempt.first)
        group.last_opened = _later(group.last_opened, attempt.first)
    elif refused:
        group.refused += 1
        group.first_refused = _earlier(group.first_refused, attempt.first)
        group.last_refused = _later(group.last_refused, attempt.first)
    elif client & FORWARDED and not (client & OPAQUE or server or attempt.drops or attempt.denied):
        group.unanswered += 1
        if attempt.first is not None:
            group.unanswered_at = sorted([*group.unanswered_at, attempt.first])[-2:]


def _sum_drops(group: _Group, attempt: _Attempt, lower_began: bool) -> None:
    for (sender, number, direction, source, destination), counts in (attempt.drops or {}).items():
        of_reply = (sender == 0) != lower_began
        total = group.drops.setdefault((of_reply, number, direction, source, destination), [0, 0])
        total[0] += max(counts)
        total[1] += 1


def _sum_times(group: _Group, attempt: _Attempt) -> None:
    if attempt.first is not None:
        insort(group.began, attempt.first)
        del group.began[:-MOST_BEGINNINGS]
    group.first = _earlier(group.first, attempt.first)
    group.last = _later(group.last, attempt.last)
    group.first_drop = _earlier(group.first_drop, attempt.first_drop)
    group.last_drop = _later(group.last_drop, attempt.last_drop)
    for mine, whole in ((attempt.passed, group.passed), (attempt.dropped_at, group.dropped_at)):
        for key, when in (mine or {}).items():
            _newest(whole, key, when)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None or (other is not None and other < one) else one


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None or (other is not None and other > one) else one


def _outcome(group: _Group, until: datetime | None) -> Outcome:
    """The newest word. Requests denied by a proxy are judged one by one, so they never speak for the others."""
    failure = _failure(group)
    if failure is None:
        return _without_failure(group, until)
    if not group.opened:
        return failure
    first = group.first_drop if failure is Outcome.DROPPED else group.first_refused
    last = group.last_drop if failure is Outcome.DROPPED else group.last_refused
    if failure is Outcome.DENIED or not (first and last and group.first_opened and group.last_opened):
        return Outcome.MIXED
    if group.last_opened < first:
        return failure
    return Outcome.OPENED if group.first_opened > last else Outcome.MIXED


def _failure(group: _Group) -> Outcome | None:
    """The kind of failure that came last."""
    if group.dropped and group.refused and group.last_drop and group.last_refused:
        return Outcome.DROPPED if group.last_drop > group.last_refused else Outcome.REFUSED
    if group.dropped:
        return Outcome.DROPPED
    if group.denied:
        return Outcome.DENIED
    return Outcome.REFUSED if group.refused else None


def _without_failure(group: _Group, until: datetime | None) -> Outcome:
    """Two attempts without an answer after the last that opened are a word; one may still be on its way.

    So may any that began within the last moment of the flows at hand.
    """
    young = [each for each in group.unanswered_at if until is not None and until - each < CLOCKS]
    since = [each for each in group.unanswered_at if group.last_opened is None or each > group.last_opened]
    if group.opened and len(since) - len(young) < 2:
        return Outcome.OPENED
    return Outcome.UNANSWERED if group.unanswered > len(young) else Outcome.UNKNOWN


def _drops(group: _Group) -> tuple[Drop, ...]:
    found = (
        Drop(number, name_of(number), direction, packets, attempts, source, destination, of_reply)
        for (of_reply, number, direction, source, destination), (packets, attempts) in group.drops.items()
    )
    return tuple(sorted(found, key=lambda each: (-each.packets, each.number, each.direction, each.source_identity)))


def _http_outcomes(seen: Counter[tuple[str, str, int, str]] | None) -> tuple[HttpOutcome, ...]:
    return tuple(HttpOutcome(*said, count) for said, count in (seen or Counter()).most_common(MOST_PATHS))


def _only_at_start(group: _Group, started: datetime | None) -> bool:
    """Dropped for a moment when the pod was new, and let through since: its identity had not got round yet."""
    first, last = group.first_drop, group.last_drop
    if started is None or first is None or last is None or not group.opened:
        return False
    return last - first <= RACE and last - started <= YOUTH and _passes_again(group)


def _passes_again(group: _Group) -> bool:
    """Whether each policy that dropped has let through since: by the same node's clock, or clearly by another's."""
    return bool(group.dropped_at) and all(
        any(
            direction in ("", policy) and passed > (last if node == at else last + CLOCKS)
            for (node, policy), passed in group.passed.items()
        )
        for (at, direction), last in group.dropped_at.items()
    )


def _severity(each: Connection) -> tuple[int, int, int, str]:
    failed = each.refused + each.denied + each.unanswered
    return -each.packets_dropped, -failed, -each.attempts, str(each)
