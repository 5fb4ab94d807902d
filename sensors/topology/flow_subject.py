"""Marks of a pod's flows: found by its addresses, and on the host network by its ports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sensors.kit import Cluster, Object, Target
from sensors.kit.kinds import CILIUM_NODE, POD
from sensors.kit.objects import flag, get, items, named, number, parse_time, text
from sensors.kit.reading import if_readable
from sensors.topology.destination import destination_of
from sensors.topology.peer import pod_addresses


@dataclass(frozen=True, slots=True)
class FlowSubject:
    """The pod as hubble flows may name it. `ports` only on the host network, where the address is the node's."""

    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    host_network: bool = False
    node: str = ""
    started: datetime | None = None


async def flow_subject(target: Target, cluster: Cluster) -> FlowSubject:
    """Marks by which the pod's flows are known; only by its name where the Pod cannot be read."""
    pods, _ = await if_readable(cluster.objects(POD, target.namespace))
    pod = named(pods or (), target.pod, target.namespace)
    if pod is None:
        return FlowSubject()
    who = FlowSubject(frozenset(pod_addresses(pod)), node=text(pod, "spec", "nodeName"), started=_started(pod))
    return await _on_host(who, pod, target, cluster) if flag(pod, "spec", "hostNetwork") else who


def _started(pod: Object) -> datetime | None:
    return parse_time(get(pod, "status", "startTime"))


async def _on_host(who: FlowSubject, pod: Object, target: Target, cluster: Cluster) -> FlowSubject:
    """A pod on the host network has its node's addresses, in flows to pods the one Cilium keeps for itself there.

    What tells it from the rest of the node are the ports it declares and those of the peer it cannot reach.
    """
    nodes, _ = await if_readable(cluster.objects(CILIUM_NODE))
    addresses = {text(each, "ip") for each in items(named(nodes or (), who.node), "spec", "addresses")} - {""}
    declared = {
        number(port, "containerPort") for each in items(pod, "spec", "containers") for port in items(each, "ports")
    }
    there = await destination_of(target, cluster)
    asked = {port for each in there.backends for port in each.ports} if there else set()
    ports = frozenset(port for port in {*declared, *asked, target.to_port} if port)
    return replace(who, addresses=who.addresses | addresses, ports=ports, host_network=True)
