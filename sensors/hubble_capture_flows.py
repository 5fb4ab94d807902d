"""Verdicts of the datapath on the pod's packets: which connections were dropped, refused or opened, as Hubble saw it.

Reads    hubble flows (relay, agent or recording): all drops of the pod as far back as the nodes remember, the newest
         of its other flows per node, drops of other pods as a count; the Pod, for its address, node and age; on the
         host network also its CiliumNode and what stands behind the asked peer.
Touches  nothing.
Blind    when no hubble flows can be had at all. Flows that hold none of this pod are no blindness and no comfort: the
         ring of a node holds minutes, so silence proves nothing and lowers the coverage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sensors.hubble.gathered import Gathered
from sensors.hubble.gathered import NodeMemory as NodeMemory
from sensors.hubble.lines import FlowQuestion, FlowReading, LostEvents, NodeStatus
from sensors.hubble.outcomes import Connection, ConnectionOutcome, DnsOutcome
from sensors.hubble.probed import only_probed
from sensors.kit import Blind, Cluster, Sensor, Target
from sensors.kit.addresses import as_ip
from sensors.kit.gathering import gather
from sensors.text import counted
from sensors.topology.destination import DNS_PORT, Destination, destination_of
from sensors.topology.flow_subject import FlowSubject, flow_subject

MOST_OTHERS = 1000  # connections of other pods that were dropped, kept for who else is affected
MOST_CONNECTIONS = 200  # listed in the facts; connections with drops come first and are never left out
CONNECT_SECONDS = 10.0  # a whole connect() with its retries (SYN at 0, 1, 3, 7 s): less memory may hold no attempt
CUT_SHORT = 0.8  # what is left of the coverage when flows were still to come: the slow node may be the one that knows
NO_FLOWS_COVERAGE = 0.4  # what flows without any of the pod are worth
MIN_COVERAGE = 0.5  # what a short memory or lost events leave of the coverage: each failure shows many times over
CONNECTED = "NODE_CONNECTED"


@dataclass(frozen=True, slots=True)
class SilentNode:
    """A node whose flows are missing, with the relay's word for it (NODE_UNAVAILABLE, NODE_ERROR, …)."""

    node: str
    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class LostFlows:
    """Events that never became flows. `in_window`: while the flows at hand were made, or nobody knows when."""

    source: str
    node: str
    count: int
    first: datetime | None
    last: datetime | None
    in_window: bool


@dataclass(frozen=True, slots=True)
class DropTotal:
    """All packets of the pod dropped for one reason, both directions together."""

    number: int
    reason: str
    packets: int
    attempts: int


@dataclass(frozen=True, slots=True)
class HubbleFlows:
    """The pod's connections, and how well they could be seen.

    connections          dropped ones first, then the rest by severity; `left_out` more dropped nothing.
    flows, flows_read    hubble flows of the pod (without duplicates), and of anything at all.
    packets_dropped      at least so many, without `noise` (counted by kind); `attempts_dropped` distinct 5-tuples.
    others_dropped       packets of other pods dropped in the same flows; `others` the connections they belong to, None
                         where nobody asked for them.
    memory               per node, oldest and newest flow; `silent` nodes gave none; `lost_events` in that time.
    garbage, truncated   unreadable lines, and whether the source broke off; `cut_short`: it had more to tell.
    attribution          `pod`, or `node` for a pod on the host network: its flows are any process's of the node.
    probed               connections left out because only KAI's own probe ever made them, and nobody asks for them.
    coverage             0 to 1: nodes answering (the pod's own counts half), events not lost, lines readable, memory
                         long enough, and flows of the pod at all.
    """

    pod: str
    namespace: str
    connections: tuple[Connection, ...]
    left_out: int
    flows: int
    flows_read: int
    packets_dropped: int
    attempts_dropped: int
    drop_reasons: tuple[DropTotal, ...]
    first_drop: datetime | None
    last_drop: datetime | None
    noise: tuple[tuple[str, int], ...]
    others_dropped: int
    dns: tuple[DnsOutcome, ...]
    memory: tuple[NodeMemory, ...]
    nodes_answering: tuple[str, ...]
    silent: tuple[SilentNode, ...]
    lost: tuple[LostFlows, ...]
    lost_events: int
    garbage: int
    first_garbage: int
    truncated: bool
    cut_short: bool
    attribution: str
    coverage: float
    probed: int = 0
    others: tuple[Connection, ...] | None = field(default=None, repr=False, metadata={"report": False})

    @property
    def dropped(self) -> tuple[Connection, ...]:
        """The connections of which packets were dropped."""
        return tuple(each for each in self.connections if each.packets_dropped)

    def summary(self) -> str:
        return "; ".join([self._said(), *self.doubts()])

    def _said(self) -> str:
        name = f"{self.namespace}/{self.pod}" if self.pod else f"namespace {self.namespace}"
        if not self.flows:
            span = f" over {self._memory_s():.0f} s" if self.memory else ""
            return f"no hubble flow of {name} among {self.flows_read} read{span}: that proves nothing"
        if not self.packets_dropped:
            return f"no packet of {name} dropped in {self.flows} hubble flows: {self._outcomes()}"
        return f"{counted(self.packets_dropped, 'packet')} dropped ({self._reasons()}), {self._where()}{self._when()}"

    def _outcomes(self) -> str:
        totals = {outcome: sum(each.outcome is outcome for each in self.connections) for outcome in ConnectionOutcome}
        return ", ".join(f"{count} {outcome.value}" for outcome, count in totals.items() if count) or "noise only"

    def _reasons(self) -> str:
        return "; ".join(f"{each.reason}, {each.number}" for each in self.drop_reasons)

    def _where(self) -> str:
        worst, *others = self.dropped
        more = f" and {len(others)} more" if others else ""
        return f"{counted(self.attempts_dropped, 'attempt')}, {worst}{more}"

    def _when(self) -> str:
        return f", last at {self.last_drop:%H:%M:%S}" if self.last_drop else ""

    def doubts(self) -> list[str]:
        """Doubts in what was seen: what may hide more."""
        doubts = []
        if self.probed:
            doubts.append(f"{counted(self.probed, 'connection')} that only the probe tried left out")
        if self.attribution == "node":
            doubts.append("on the host network: seen by node address, not by pod")
        if self.silent:
            doubts.append(f"no flows from {', '.join(each.node for each in self.silent)}")
        if self.lost_events:
            doubts.append(f"{counted(self.lost_events, 'event')} lost")
        if self.garbage:
            doubts.append(f"{counted(self.garbage, 'line')} unreadable (first: {self.first_garbage})")
        if self.truncated:
            doubts.append("the source breaks off")
        elif self.cut_short:
            doubts.append("flows were still coming when the time was up")
        return doubts

    def _memory_s(self) -> float:
        return max((each.seconds for each in self.memory), default=0.0)


# -- looking ---------------------------------------------------------------------------------------------------------


async def look(
    target: Target,
    cluster: Cluster,
    *,
    last: int = 1000,
    others: bool = True,
    patience: float = 10.0,
    since: float | None = None,
) -> HubbleFlows:
    """The pod's connections. `last` limits its undropped flows per node; `others` counts other pods' drops too;
    `since` leaves out flows older than so many seconds before the moment of the investigation.

    After `patience` seconds what has come must do: a relay with a failing agent can take half a minute to end.
    """
    who, there = await asyncio.gather(flow_subject(target, cluster), destination_of(target, cluster))
    start = None if since is None else await cluster.now() - timedelta(seconds=since)
    named = target.namespace, target.pod, who.addresses, who.ports
    question = FlowQuestion(*named, last=last, others=others, since=start)
    return facts_of(target, who, await gather(cluster, question, patience), there)


# -- concluding ------------------------------------------------------------------------------------------------------


def facts_of(target: Target, who: FlowSubject, gathered: Gathered, asked: Destination | None = None) -> HubbleFlows:
    """The facts of one look at a pod, and at the peer it is asked about. Raises `Blind` when there was nothing."""
    memory = gathered.memory()
    silent = _silent(gathered.statuses)
    if not gathered.flows_read:
        raise Blind(_why_nothing(silent, gathered.cut_short))
    found, probed = _wanted(
        gathered.own.all(started=who.started, until=max((each.last for each in memory), default=None)),
        target,
        who,
        asked,
    )
    dropped = [each for each in found if each.packets_dropped]
    reading = gathered.reading or FlowReading()
    lost = tuple(_lost(each, memory) for each in gathered.lost)
    others = [each for each in gathered.others.all() if each.packets_dropped]
    listed = found[: max(MOST_CONNECTIONS, len(dropped))]
    return HubbleFlows(
        pod=target.pod,
        namespace=target.namespace,
        connections=listed,
        left_out=len(found) - len(listed),
        flows=gathered.own.flows,
        flows_read=gathered.flows_read,
        packets_dropped=sum(each.packets_dropped for each in dropped),
        attempts_dropped=sum(each.dropped for each in dropped),
        drop_reasons=_reasons(dropped),
        first_drop=min((each.first_drop for each in dropped if each.first_drop), default=None),
        last_drop=max((each.last_drop for each in dropped if each.last_drop), default=None),
        noise=tuple(gathered.own.noise.most_common()),
        others_dropped=sum(each.packets_dropped for each in others),
        dns=gathered.own.dns()[-MOST_CONNECTIONS:],
        memory=memory,
        nodes_answering=_answering(gathered.statuses, memory, silent),
        silent=silent,
        lost=lost,
        lost_events=sum(each.count for each in lost if each.in_window),
        garbage=reading.garbage,
        first_garbage=reading.first_garbage,
        truncated=reading.truncated,
        cut_short=gathered.is_cut_short,
        attribution="node" if who.host_network else "pod",
        coverage=coverage(who, gathered, silent, lost, saw_drops=bool(dropped)),
        probed=probed,
        others=tuple(others[:MOST_OTHERS]) if gathered.question.others else None,
    )


def _wanted(
    found: tuple[Connection, ...], target: Target, who: FlowSubject, asked: Destination | None
) -> tuple[tuple[Connection, ...], int]:
    """Connections of the pod or of the question, and the number of those that only KAI's own probe tried.

    A drop of the probe's own packets to the asked peer is a measurement, and so is one of its look-ups where that peer
    is a name; elsewhere it shows a demand that is nobody's.
    """
    probed = only_probed(found, target.namespace, target.pod, who.addresses if who.host_network else frozenset())
    kept = tuple(each for each in found if each not in probed or _is_asked(each, target, asked))
    return kept, len(found) - len(kept)


def _is_asked(each: Connection, target: Target, asked: Destination | None) -> bool:
    if asked is None or each.icmp is not None:
        return False
    if (each.protocol, each.port) == ("UDP", DNS_PORT) and as_ip(asked.host) is None:
        return True
    backends = {(end.address, port) for end in asked.backends for port in end.ports}
    backends |= {(address, port) for address in asked.cluster_ips for port in asked.service_ports}
    return (each.destination.ip, each.port) in backends if backends else target.to_port in (None, each.port)


def _why_nothing(silent: tuple[SilentNode, ...], cut_short: bool) -> str:
    nodes = f": no answer from {', '.join(each.node for each in silent)}" if silent else ""
    return f"no hubble flows came in time{nodes}" if cut_short else f"the source holds no hubble flows{nodes}"


def _silent(statuses: Iterable[NodeStatus]) -> tuple[SilentNode, ...]:
    """Nodes whose last word was not that they are connected. Relays speak in order."""
    latest: dict[str, SilentNode] = {}
    for each in statuses:
        for node in each.nodes:
            latest[_short(node)] = SilentNode(_short(node), each.state, each.message)
    return tuple(each for _, each in sorted(latest.items()) if each.state != CONNECTED)


def _answering(
    statuses: Iterable[NodeStatus], memory: tuple[NodeMemory, ...], silent: tuple[SilentNode, ...]
) -> tuple[str, ...]:
    connected = {_short(node) for each in statuses if each.state == CONNECTED for node in each.nodes}
    heard = {_short(each.node) for each in memory if each.node}
    return tuple(sorted((connected | heard) - {each.node for each in silent}))


def _short(node: str) -> str:
    """A node's own name: relays of named clusters write `cluster/node`."""
    return node.rpartition("/")[2]


def _lost(event: LostEvents, memory: tuple[NodeMemory, ...]) -> LostFlows:
    first, last = event.first or event.time, event.last or event.time
    ours = [each for each in memory if _short(each.node) == _short(event.node)] or list(memory)
    in_window = not (first and last and ours) or any(first <= each.last and last >= each.first for each in ours)
    return LostFlows(event.source, _short(event.node), event.count, first, last, in_window)


def _reasons(dropped: Iterable[Connection]) -> tuple[DropTotal, ...]:
    totals: dict[tuple[int, str], list[int]] = {}
    for drop in (drop for each in dropped for drop in each.drops):
        total = totals.setdefault((drop.number, drop.reason), [0, 0])
        total[0] += drop.packets
        total[1] += drop.attempts
    ranked = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(DropTotal(number, reason, *total) for (number, reason), total in ranked)


def coverage(
    who: FlowSubject,
    gathered: Gathered,
    silent: tuple[SilentNode, ...],
    lost: tuple[LostFlows, ...],
    *,
    saw_drops: bool,
) -> float:
    """Share of the request that could be seen, from 0 to 1; every factor is told in `HubbleFlows`."""
    memory = gathered.memory()
    share = _nodes_share(who, _answering(gathered.statuses, memory, silent), silent)
    missing = sum(each.count for each in lost if each.in_window)
    share *= max(MIN_COVERAGE, gathered.flows_read / (gathered.flows_read + missing))
    if gathered.reading:
        share *= gathered.reading.flows / max(gathered.reading.flows + gathered.reading.garbage, 1)
    share *= CUT_SHORT if gathered.is_cut_short else 1.0
    if not gathered.own.flows:
        return round(share * NO_FLOWS_COVERAGE, 3)
    if not saw_drops:  # a drop that was seen needs no long memory
        share *= max(MIN_COVERAGE, min(1.0, _remembered(who.node, memory) / CONNECT_SECONDS))
    return round(share, 3)


def _remembered(node: str, memory: tuple[NodeMemory, ...]) -> float:
    """Seconds that the pod's own node remembers, however long idle nodes do; the longest where it is not known."""
    own = [each for each in memory if node and _short(each.node) == node]
    return max((each.seconds for each in own or memory), default=0.0)


def _nodes_share(who: FlowSubject, answering: tuple[str, ...], silent: tuple[SilentNode, ...]) -> float:
    """The share of nodes that answered; the pod's own node is half of it."""
    quiet = {each.node for each in silent}
    nodes = {*answering, *quiet}
    if who.node not in nodes:
        return len(answering) / len(nodes) if nodes else 1.0
    rest = nodes - {who.node}
    others = len(rest - quiet) / len(rest) if rest else float(who.node not in quiet)
    return 0.5 * (who.node not in quiet) + 0.5 * others


SENSOR = Sensor(
    id="hubble.capture_flows",
    look=look,
    gives=HubbleFlows,
    within=12.0,
    layers=("policy", "dns", "service", "nat", "physical", "application"),
    weight=3.0,
    needs_pod=False,
)
