"""Whether the nodes are there: ready or not and since when, pressure, taints, addresses, and which node the pod is on.

Reads    Nodes; Pods, Services and EndpointSlices to tell which nodes matter for the question.
Touches  nothing.
Blind    when nodes cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
    """Every node; `target_node` is the pod's (empty: not scheduled, or pods unreadable), `peer_nodes` the peers'."""

    nodes: tuple[NodeFacts, ...]
    target_node: str
    peer_nodes: tuple[str, ...]

    def find(self, name: str) -> NodeFacts | None:
        return next((each for each in self.nodes if each.name == name), None)

    @property
    def not_ready(self) -> tuple[NodeFacts, ...]:
        return tuple(each for each in self.nodes if each.ready != "True")

    def summary(self) -> str:
        ready = f"{len(self.nodes) - len(self.not_ready)} of {len(self.nodes)} nodes ready"
        down = [f"{each.name} Ready={each.ready or 'unset'} ({each.reason or 'no reason'})" for each in self.not_ready]
        return "; ".join([ready, *down[:5]])
