"""Facts that are known although no cause is shown, and the next measurements: a shrug must still say what it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flows.model import Case
from flows.symptoms.network import can_exist
from flows.symptoms.peers import asked_peer
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit import Evidence, Sight
from sensors.kit.addresses import as_ip
from sensors.net_connect import Role

EVENT_REASONS = ("FailedCreatePodSandBox", "NetworkNotReady", "Unhealthy", "BackOff", "FailedMount", "FailedScheduling")
"""Reasons of events that say why a pod does not talk, in the kubelet's and the scheduler's words."""

ORDER = (
    "k8s.pod",
    "k8s.network_policies",
    "k8s.services",
    "net.connect",
    "dns.lookup",
    "hubble.capture_flows",
    "cni.health",
    "net.tcp_stats",
    "k8s.nodes",
    "net.mtu",
    "net.conntrack_usage",
)
"""Which look would decide most, the first one first."""


def known(case: Case) -> list[str]:
    """Known facts of the failure, the most telling first: unowned drops, events, what opens and what does not."""
    return [*_drops(case), *_events(case), *_attempts(case)]


def _drops(case: Case) -> Iterator[str]:
    flows = case.get(HubbleFlows)
    counted: Counter[tuple[str, int, str]] = Counter()
    for each in flows.connections if flows else ():
        if _is_ours(case, each):
            for drop in each.drops:
                counted[drop.reason, drop.number, str(each)] += drop.packets
    for (reason, number, where), packets in counted.most_common(2):
        many = "packet" if packets == 1 else "packets"
        yield f"the datapath dropped {packets} {many} of {where} as {reason} ({number})"


def _is_ours(case: Case, each: Connection) -> bool:
    me = (case.target.namespace, case.target.pod)
    return me in ((each.source.namespace, each.source.pod), (each.destination.namespace, each.destination.pod))


def _events(case: Case) -> Iterator[str]:
    pod = case.get(PodFacts)
    warnings = [each for each in (pod.events if pod else ()) if each.type == "Warning" and each.reason in EVENT_REASONS]
    for each in sorted(warnings, key=lambda one: EVENT_REASONS.index(one.reason))[:2]:
        yield f"the pod's events say {each}"
    restarts = sum(each.restarts for each in pod.containers) if pod else 0
    if restarts:
        yield f"its containers were restarted {restarts} {'time' if restarts == 1 else 'times'}"


def _attempts(case: Case) -> Iterator[str]:
    peer = asked_peer(case)
    attempts = peer.doors if peer else ()
    closed = [each for each in attempts if not each.is_open]
    opened = [each for each in attempts if each.is_open]
    address = next((each for each in closed if each.role in (Role.PEER, Role.SERVICE)), None)
    backend = next((each for each in opened if each.role is Role.BACKEND), None)
    if address and backend:
        yield f"{address.where} ends in {address.result}, and {backend.where} behind it opens"
    elif closed:
        yield f"{closed[0].where} ends in {closed[0].result}, and nothing that was measured explains it"
    elif opened:
        yield f"{opened[0].where} opens now"


def next_look(case: Case, blind: list[Evidence]) -> str:
    """The look that would decide most and can exist here; never Hubble on another network than Cilium."""
    pod = case.get(PodFacts)
    if pod is not None and not pod.ips and pod.phase == "Pending":
        return f"See what the pod waits for: kubectl -n {pod.namespace} describe pod {pod.pod}."
    possible = [each for each in blind if can_exist(case, each.sensor)]
    best = min(possible, key=lambda each: _rank(case, each.sensor), default=None)
    if case.target.to is None and (best is None or best.sensor in ("net.connect", "dns.lookup")):
        return "Name the peer that cannot be reached (--to HOST:PORT) and run again while the fault is visible."
    if best is not None:
        return f"Measure next what is missing: {best.sensor} ({best.why}); then run again."
    return "Run again while the fault is visible, so that its traces are still there."


def _rank(case: Case, sensor: str) -> tuple[bool, int]:
    no_name = sensor == "dns.lookup" and case.target.to_host is not None and as_ip(case.target.to_host) is not None
    return no_name, ORDER.index(sensor) if sensor in ORDER else len(ORDER)


def blind_looks(case: Case) -> list[Evidence]:
    return [each for each in case.evidence.values() if each.sight is Sight.BLIND]
