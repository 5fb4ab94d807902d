"""Whether the network plug-in's agent works on every node: its pods, its own status, its view of the pod, stuck pods.

Reads    Pods, DaemonSets, Nodes, Events, CiliumEndpoints, the ConfigMap cilium-config; per node `cilium/status.json`
         and `cilium/metrics.txt` where they can be had.
Touches  nothing.
Blind    when not one agent could be judged on any node. A node whose agent gave no answer is `unreadable`, not healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sensors.kit.objects import Ref


class AgentState(StrEnum):
    """One node's agent: says it works, says (or shows) it does not, or could not be asked."""

    OK = "ok"
    FAILING = "failing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class FailingController:
    """A task of the agent that fails repeatedly; many are harmless (a namespace is going away): read the message."""

    name: str
    failures: int
    message: str


@dataclass(frozen=True, slots=True)
class AgentPod:
    """The agent's pod on a node, where agents run as pods."""

    pod: Ref
    ready: bool | None
    restarts: int
    waiting_reason: str
    last_terminated_reason: str


@dataclass(frozen=True, slots=True)
class NodeAgent:
    """One node's agent. `why` says what the state rests on. Fields from the agent's status are empty without one.

    `metrics` holds the few counters that matter here (failing controllers, map pressure, unreachable nodes, drops by
    reason) as `name{label=value,…}` -> value.
    """

    node: str
    state: AgentState
    why: str
    pod: AgentPod | None = None
    version: str = ""
    kubernetes: str = ""
    kvstore: str = ""
    hubble: str = ""
    ipam: str = ""
    addresses_used: int | None = None
    addresses_total: int | None = None
    controllers_failing: tuple[FailingController, ...] = ()
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class StuckPod:
    """A pod that waits for its network: scheduled, no address, nothing started. `message` from its newest event."""

    pod: Ref
    node: str
    waiting_s: float | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How Cilium sees the target: `state` as CiliumEndpoint says (`ready`, `waiting-for-identity`, …), its identity."""

    state: str
    identity: int | None
    identity_labels: tuple[str, ...]
    id: int | None


@dataclass(frozen=True, slots=True)
class CniHealth:
    """The network plug-in.

    `agents` one entry per node; `daemon_set` the agent's DaemonSet where there is one (absence alone means nothing);
    `endpoint` None where Cilium has none for the target; `exhausted` are messages that speak of a lack of addresses, by
    node; `config` the settings that decide semantics; `unread` what could not be read and why.
    """

    cni: str
    version: str
    target_node: str
    agents: tuple[NodeAgent, ...]
    daemon_set: Ref | None
    endpoint: EndpointState | None
    stuck_pods: tuple[StuckPod, ...]
    exhausted: tuple[tuple[str, str], ...]
    config: Mapping[str, str]
    unread: tuple[str, ...]

    def agent(self, node: str) -> NodeAgent | None:
        return next((each for each in self.agents if each.node == node), None)

    @property
    def failing(self) -> tuple[NodeAgent, ...]:
        return tuple(each for each in self.agents if each.state is AgentState.FAILING)

    @property
    def unreadable(self) -> tuple[NodeAgent, ...]:
        return tuple(each for each in self.agents if each.state is AgentState.UNREADABLE)

    def summary(self) -> str:
        well = sum(each.state is AgentState.OK for each in self.agents)
        parts = [f"{self.cni or 'CNI unknown'} {self.version}".strip() + f": {well} of {len(self.agents)} agents ok"]
        parts += [f"{each.node} {each.state.value}: {each.why}" for each in (*self.failing, *self.unreadable)[:4]]
        parts += [f"{len(self.stuck_pods)} pods wait for their network"] if self.stuck_pods else []
        parts += [f"addresses used up on {node}" for node, _ in self.exhausted[:2]]
        return "; ".join(parts)
