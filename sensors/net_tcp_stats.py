"""Kernel counters of the pod's TCP: unanswered SYNs, retransmissions, and listening sockets.

Reads    /proc/net/{snmp,netstat,sockstat,tcp,tcp6,udp,udp6} of the pod and of at most five pods behind the asked
         peer; Pods, Services and EndpointSlices to find those.
Touches  nothing.
Blind    when neither the pod's own files nor those of a pod behind the peer can be read, or are not in a format this
         sensor knows. Which of them could not is noted with each (`blind`). Counters run since the network namespace
         was made, not since the trouble.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sensors.kit import Blind, Cluster, Sensor, Target
from sensors.kit.sockets import PodSockets, read_sockets
from sensors.topology.destination import destination_of, ports_by_pod

MOST_PEERS = 5


@dataclass(frozen=True, slots=True)
class TcpStats:
    """The pod's TCP and, where the question names a peer, that of the pods behind it; `left_out` more were not read."""

    target: PodSockets
    peers: tuple[PodSockets, ...] = ()
    left_out: int = 0
    unread: tuple[str, ...] = ()

    def summary(self) -> str:
        return "; ".join([_told(self.target), *(_listening(each) for each in self.peers)])


def _told(pod: PodSockets) -> str:
    if pod.blind:
        return f"{pod} not read ({pod.blind})"
    count = pod.counters
    figures = (
        ("SYN retransmits", count.syn_retransmits),
        ("retransmitted segments", count.retransmitted),
        ("failed attempts", count.attempt_fails),
        ("listen drops", count.listen_drops),
    )
    told = ", ".join(f"{value} {name}" for name, value in figures if value is not None) or "no counters"
    return f"{pod}{' (the whole node: host network)' if pod.host_network else ''}: {told}"


def _listening(pod: PodSockets) -> str:
    if pod.blind:
        return f"{pod} not read ({pod.blind})"
    ports = ", ".join(map(str, pod.listeners[:4])) or "nothing"
    return f"{pod} listens on {ports}"


async def look(target: Target, cluster: Cluster) -> TcpStats:
    """Read the pod's TCP and that of the pods behind the asked peer."""
    destination = await destination_of(target, cluster)
    backends = destination.backends if destination else ()
    wanted = ports_by_pod(backends)
    mine = await read_sockets(cluster, target.namespace, target.pod, wanted.get((target.namespace, target.pod), ()))
    others = [each for each in wanted if each != (target.namespace, target.pod)]
    peers = await asyncio.gather(*(read_sockets(cluster, *each, wanted[each]) for each in others[:MOST_PEERS]))
    if mine.blind and all(each.blind for each in peers):
        raise Blind(mine.blind)
    unread = destination.unread if destination else ()
    return TcpStats(mine, tuple(peers), max(len(others) - MOST_PEERS, 0), unread)


SENSOR = Sensor(id="net.tcp_stats", look=look, gives=TcpStats, within=8.0, layers=("physical", "application"))
