"""State of the nodes: ready or not and since when, pressure, taints, addresses, and which node the pod is on.

Reads    Nodes, CiliumNodes and Calico's IPPools; Pods, Services and EndpointSlices to tell which nodes matter for the
         question.
Touches  nothing.
Blind    when nodes cannot be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import CALICO_IP_POOL, CILIUM_NODE, NODE
from sensors.kit.model import Sensor, Target
from sensors.kit.objects import (
    condition_of,
    conditions_of,
    flag,
    get,
    items,
    name_of,
    one_line,
    parse_time,
    text,
    texts,
)
from sensors.kit.reading import if_readable
from sensors.topology.nodes import nodes_in_question


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node. `ready` is True, False or Unknown as text (empty = the node says nothing); `since` its last change.

    `network_unavailable` is None where no network plug-in sets the condition; `pressures` the pressure conditions that
    are on; `taints` as `key=value:Effect`.
    """

    name: str
    ready: str
    reason: str
    message: str
    since: datetime | None
    heartbeat: datetime | None
    network_unavailable: bool | None
    pressures: tuple[str, ...]
    unschedulable: bool
    taints: tuple[str, ...]
    internal_ips: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    kubelet: str
    kernel: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """Every node; `target_node` is the pod's (empty: not scheduled, or pods unreadable), `peer_nodes` the peers'.

    `pools` are the ranges from which the pods of the whole cluster get their addresses (Calico's IPPools).
    """

    nodes: tuple[NodeFacts, ...]
    target_node: str
    peer_nodes: tuple[str, ...]
    pools: tuple[str, ...] = ()

    def find(self, name: str) -> NodeFacts | None:
        return next((each for each in self.nodes if each.name == name), None)

    @property
    def not_ready(self) -> tuple[NodeFacts, ...]:
        return tuple(each for each in self.nodes if each.ready != "True")

    def summary(self) -> str:
        ready = f"{len(self.nodes) - len(self.not_ready)} of {len(self.nodes)} nodes ready"
        down = [f"{each.name} Ready={each.ready or 'unset'} ({each.reason or 'no reason'})" for each in self.not_ready]
        return "; ".join([ready, *down[:5]])


async def look(target: Target, cluster: Cluster) -> Nodes:
    """Every node, and which of them the question is about."""
    nodes, (cilium, _), (pools, _) = await asyncio.gather(
        cluster.objects(NODE), if_readable(cluster.objects(CILIUM_NODE)), if_readable(cluster.objects(CALICO_IP_POOL))
    )
    target_node, peers = await nodes_in_question(target, cluster)
    by_name = {name_of(each): each for each in cilium or ()}
    facts = (node_facts(each, by_name.get(name_of(each))) for each in nodes)
    return Nodes(tuple(sorted(facts, key=lambda each: each.name)), target_node, peers, _in_use(pools or ()))


def _in_use(pools: Iterable[Object]) -> tuple[str, ...]:
    """The ranges of the pools that pods get addresses from: not switched off, and not for load balancers only."""
    used = (each for each in pools if flag(each, "spec", "disabled") is not True and _is_for_pods(each))
    return tuple(sorted(cidr for each in used if (cidr := text(each, "spec", "cidr"))))


def _is_for_pods(pool: Object) -> bool:
    uses = texts(pool, "spec", "allowedUses")
    return not uses or "Workload" in uses


def node_facts(node: Object, cilium: Object | None = None) -> NodeFacts:
    """One node from its object, and from the CiliumNode of its name where there is one."""
    ready, network = condition_of(node, "Ready"), condition_of(node, "NetworkUnavailable")
    return NodeFacts(
        name=name_of(node),
        ready=ready.status if ready else "",
        reason=ready.reason if ready else "",
        message=one_line(ready.message) if ready else "",
        since=ready.since if ready else None,
        heartbeat=_heartbeat(node),
        network_unavailable=None if network is None else network.status == "True",
        pressures=tuple(each.type for each in conditions_of(node) if _presses(each.type) and each.status == "True"),
        unschedulable=flag(node, "spec", "unschedulable") is True,
        taints=tuple(_taint(each) for each in items(node, "spec", "taints")),
        internal_ips=_internal_ips(node),
        pod_cidrs=_pod_cidrs(node, cilium),
        kubelet=text(node, "status", "nodeInfo", "kubeletVersion"),
        kernel=text(node, "status", "nodeInfo", "kernelVersion"),
    )


def _pod_cidrs(node: Object, cilium: Object | None) -> tuple[str, ...]:
    """The ranges that its pods' addresses come from; what Cilium hands out wins over what Kubernetes set aside."""
    pools = items(cilium or {}, "spec", "ipam", "pools", "allocated")
    own = (*texts(cilium or {}, "spec", "ipam", "podCIDRs"), *(each for pool in pools for each in texts(pool, "cidrs")))
    written = texts(node, "spec", "podCIDRs") or tuple(filter(None, [text(node, "spec", "podCIDR")]))
    return tuple(dict.fromkeys(own or written))


def _presses(condition: str) -> bool:
    return condition.endswith("Pressure")


def _heartbeat(node: Object) -> datetime | None:
    """Time at which the kubelet last wrote the Ready condition; leases are newer, and not read."""
    ready = (each for each in items(node, "status", "conditions") if text(each, "type") == "Ready")
    return next((parse_time(get(each, "lastHeartbeatTime")) for each in ready), None)


def _taint(taint: object) -> str:
    key, value, effect = text(taint, "key"), text(taint, "value"), text(taint, "effect")
    return f"{key}={value}:{effect}" if value else f"{key}:{effect}"


def _internal_ips(node: Object) -> tuple[str, ...]:
    addresses = items(node, "status", "addresses")
    return tuple(text(each, "address") for each in addresses if text(each, "type") == "InternalIP")


SENSOR = Sensor(id="k8s.nodes", look=look, gives=Nodes, within=8.0, layers=("pod_network", "physical"))
