"""Turns evidence into what a verification compares: connections with counts and times, and tries of our own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.approval.proposal import Tuple5
from bot.verify.verdict import SeenConnection, TrafficSince, Try
from flows.denials.connection import policy_drops
from sensors.hubble.outcomes import Connection, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit import Evidence
from sensors.net_connect import Connects


def moment_of(evidence: Iterable[Evidence]) -> TrafficSince:
    """Of several looks (at the pod and at others that the policy selects) everything once."""
    found, tries, blind = dict[Tuple5, SeenConnection](), list[Try](), list[str]()
    for each in evidence:
        if isinstance(each.facts, HubbleFlows):
            found |= {seen.flow: seen for seen in _seen(each.facts)}
        elif isinstance(each.facts, Connects):
            tries += [Try(attempt.where, attempt.result) for attempt in each.facts.asked]
        elif each.sensor == "hubble.capture_flows":
            blind.append(f"no flow could be read: {each.why}" if each.why else "no flow could be read")
    return TrafficSince(tuple(found.values()), tuple(tries), "" if found else "".join(blind[:1]))


def _seen(flows: HubbleFlows) -> Iterator[SeenConnection]:
    for each in flows.connections:
        if each.icmp is None:
            dropped = sum(drop.packets for drop in policy_drops(each))
            yield SeenConnection(flow_of(each), each.opened, dropped, each.last_opened, each.last_drop)


def flow_of(it: Connection) -> Tuple5:
    source, there = it.source, it.destination
    return Tuple5(
        _name(source), _name(there), it.protocol, it.port, _workload(source), _workload(there), there.ip or ""
    )


def _name(party: Party) -> str:
    return f"{party.namespace}/{party.pod}" if party.pod else party.ip


def _workload(party: Party) -> str:
    return f"{party.namespace}/{party.workload}" if party.workload else ""
