"""Health of the network plug-in's agent on every node: its pods, its own status, its view of the pod, stuck pods.

Reads    Pods, DaemonSets, Nodes, Events, the CiliumEndpoints of the pod's namespace, the ConfigMap cilium-config; per
         node `cilium/status.json` and `cilium/metrics.txt` where they can be had.
Touches  nothing.
Blind    when not one agent could be judged on any node. A node whose agent gave no answer is `unreadable`, not healthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sensors.kit.cilium_status import FailingController as FailingController
from sensors.kit.cilium_status import addresses_allocated, failing_controllers, read_status
from sensors.kit.cluster import Cluster, Environment, Object
from sensors.kit.events import fold_events
from sensors.kit.kinds import CILIUM_ENDPOINT, CONFIG_MAP, DAEMON_SET, EVENT, NODE, POD
from sensors.kit.metrics import read_metrics
from sensors.kit.model import Blind, Sensor, Target
from sensors.kit.objects import (
    NO_KEYS,
    Ref,
    items,
    labels_of,
    mapping,
    name_of,
    named,
    namespace_of,
    number,
    one_line,
    pod_is_over,
    pod_is_ready,
    ref_of,
    string_map,
    text,
    texts,
)
from sensors.kit.reading import Kinds, if_readable, read_kinds
from sensors.topology.agents import AGENTS
from sensors.topology.nodes import nodes_in_question
from sensors.topology.peer import ref_of_pod
from sensors.topology.sandboxes import StuckPod as StuckPod
from sensors.topology.sandboxes import says_exhausted, stuck_pods


class AgentState(StrEnum):
    """One node's agent: says it works, says (or shows) it does not, or could not be asked."""

    OK = "ok"
    FAILING = "failing"
    UNREADABLE = "unreadable"


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
class EndpointState:
    """Cilium's view of the pod: `state` as CiliumEndpoint says (`ready`, `waiting-for-identity`, …), its identity."""

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
        many = len(self.stuck_pods)
        parts += [f"{many} pods wait for their network" if many > 1 else "1 pod waits for its network"] if many else []
        parts += [f"addresses used up on {node}" for node, _ in self.exhausted[:2]]
        return "; ".join(parts)


DECISIVE = (
    "bpf-lb-sock",
    "bpf-lb-sock-hostns-only",
    "cluster-name",
    "cluster-pool-ipv4-cidr",
    "devices",
    "enable-bpf-masquerade",
    "enable-host-firewall",
    "enable-ipsec",
    "enable-ipv4",
    "enable-ipv4-masquerade",
    "enable-ipv6",
    "enable-k8s-networkpolicy",
    "enable-l7-proxy",
    "enable-policy",
    "enable-wireguard",
    "hubble-event-buffer-capacity",
    "ipam",
    "kube-proxy-replacement",
    "labels",
    "mesh-auth-enabled",
    "mtu",
    "policy-audit-mode",
    "policy-cidr-match-mode",
    "routing-mode",
    "service-no-backend-response",
    "tunnel",
    "tunnel-protocol",
)
"""Keys of cilium-config that change what a policy, a Service or a packet's size means."""


async def look(target: Target, cluster: Cluster, *, nodes: int = 8) -> CniHealth:
    """The agents of all nodes; at most `nodes` of them are asked for their own status, those in question first."""
    environment = await cluster.environment()
    sets, _ = await if_readable(cluster.objects(DAEMON_SET))
    homes = {namespace_of(each) for each in sets or () if _is_agent(_template_labels(each), environment.cni)}
    everywhere, here = (POD, DAEMON_SET, NODE, EVENT, CONFIG_MAP), {CILIUM_ENDPOINT: target.namespace}
    near = (target.namespace, *sorted(homes))
    kinds = await read_kinds(cluster, *everywhere, CILIUM_ENDPOINT, within=here, near=near)
    target_node, peers = await nodes_in_question(target, cluster)
    names = tuple(dict.fromkeys(filter(None, (target_node, *peers, *_node_names(kinds)))))
    asked = names[:nodes] if environment.cni in (None, "cilium") else ()
    voices = dict(zip(asked, await asyncio.gather(*(_listen(cluster, each) for each in asked)), strict=True))
    seen = health(target, kinds, environment, NodesOfInterest(target_node, names), voices, await cluster.now())
    if not seen.stuck_pods and all(each.state is AgentState.UNREADABLE for each in seen.agents):
        raise Blind("; ".join(dict.fromkeys(f"{each.node}: {each.why}" for each in seen.agents)) or _nothing(kinds))
    return seen


def _nothing(kinds: Kinds) -> str:
    return "no node is known; " + "; ".join(kinds.complaints)


def _node_names(kinds: Kinds) -> tuple[str, ...]:
    """The nodes there are; where they cannot be read, those on which pods are."""
    nodes = kinds.known(NODE)
    names = map(name_of, nodes) if nodes is not None else (text(each, "spec", "nodeName") for each in kinds.of(POD))
    return tuple(sorted(set(names)))


@dataclass(frozen=True, slots=True)
class NodesOfInterest:
    """The node of the target, and all nodes in the order of their interest."""

    target_node: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentReport:
    """Report of an agent on itself: the text of its status and metrics, or why there is none."""

    status: str | None = None
    metrics: str | None = None
    why: str = "the agent was not asked"


async def _listen(cluster: Cluster, node: str) -> AgentReport:
    (status, why), (metrics, _) = await asyncio.gather(
        if_readable(cluster.node_file(node, "cilium/status.json")),
        if_readable(cluster.node_file(node, "cilium/metrics.txt")),
    )
    return AgentReport(status, metrics, why)


def health(
    target: Target,
    kinds: Kinds,
    environment: Environment,
    question: NodesOfInterest,
    voices: Mapping[str, AgentReport],
    now: datetime,
) -> CniHealth:
    """The facts from what was read; see `look`."""
    pods = agent_pods(kinds.of(POD), environment.cni)
    sets = [each for each in kinds.of(DAEMON_SET) if _is_agent(_template_labels(each), environment.cni)]
    agents = tuple(
        _agent(each, pods.get(each), sets, voices.get(each, AgentReport()), kinds) for each in question.nodes
    )
    stuck = stuck_pods(kinds.of(POD), fold_events(kinds.of(EVENT)), now)
    return CniHealth(
        cni=environment.cni or "",
        version=environment.cni_version or "",
        target_node=question.target_node,
        agents=agents,
        daemon_set=ref_of(sets[0]) if sets else None,
        endpoint=endpoint_state(named(kinds.of(CILIUM_ENDPOINT), target.pod, target.namespace)),
        stuck_pods=stuck,
        exhausted=exhaustion(agents, stuck),
        config=config_of(kinds.of(CONFIG_MAP)),
        unread=kinds.complaints,
    )


# -- one agent ---------------------------------------------------------------------------------------------------------


def _is_agent(labels: Mapping[str, str], cni: str | None) -> bool:
    wanted = AGENTS.get(cni or "") or tuple(pair for pairs in AGENTS.values() for pair in pairs)
    return any(labels.get(key) == value for key, value in wanted)


def _template_labels(daemon_set: Object) -> dict[str, str]:
    return string_map(daemon_set, "spec", "template", "metadata", "labels") or labels_of(daemon_set)


def agent_pods(pods: Iterable[Object], cni: str | None) -> dict[str, AgentPod]:
    """The agent's pod on each node; of two (a rollout) the one that is ready."""
    found = [each for each in pods if _is_agent(labels_of(each), cni) and not pod_is_over(each)]
    by_readiness = sorted(found, key=lambda each: pod_is_ready(each) is True)
    return {text(each, "spec", "nodeName"): _agent_pod(each) for each in by_readiness if text(each, "spec", "nodeName")}


def _agent_pod(pod: Object) -> AgentPod:
    statuses = (*items(pod, "status", "containerStatuses"), *items(pod, "status", "initContainerStatuses"))
    return AgentPod(
        pod=ref_of_pod(pod),
        ready=pod_is_ready(pod),
        restarts=sum(number(each, "restartCount") or 0 for each in statuses),
        waiting_reason=next(filter(None, (text(each, "state", "waiting", "reason") for each in statuses)), ""),
        last_terminated_reason=next(
            filter(None, (text(each, "lastState", "terminated", "reason") for each in statuses)), ""
        ),
    )


def _agent(node: str, pod: AgentPod | None, sets: list[Object], voice: AgentReport, kinds: Kinds) -> NodeAgent:
    status = read_status(voice.status)
    state, why = judge_agent(pod, status, _silence(voice), _missing(node, sets, kinds) if pod is None else "")
    used, total = addresses_allocated(text(status, "ipam", "status"))
    return NodeAgent(
        node=node,
        state=state,
        why=why,
        pod=pod,
        version=one_line(text(status, "cilium", "msg")),
        kubernetes=text(status, "kubernetes", "state"),
        kvstore=text(status, "kvstore", "state"),
        hubble=text(status, "hubble", "state"),
        ipam=one_line(text(status, "ipam", "status")).rstrip(", "),
        addresses_used=used,
        addresses_total=total,
        controllers_failing=failing_controllers(status),
        metrics=None if voice.metrics is None else read_metrics(voice.metrics),
    )


def judge_agent(
    pod: AgentPod | None, status: Mapping[str, Any] | None, silence: str, missing: str
) -> tuple[AgentState, str]:
    """An agent's state and what it rests on: its pod first, then its own word; without either it is unreadable."""
    said = text(status, "cilium", "state")
    if pod is not None and pod.ready is False:
        return AgentState.FAILING, f"{pod.pod} is not ready {pod.waiting_reason}".rstrip()
    if said and said != "Ok":
        return AgentState.FAILING, one_line(f"it says {said}: {text(status, 'cilium', 'msg')}")
    if said:
        return AgentState.OK, "it says Ok"
    if pod is not None and pod.ready:
        return AgentState.OK, f"{pod.pod} is ready"
    return (AgentState.FAILING, missing) if missing else (AgentState.UNREADABLE, silence)


def _silence(voice: AgentReport) -> str:
    return "its status is not what an agent writes" if voice.status is not None else voice.why


def _missing(node: str, sets: list[Object], kinds: Kinds) -> str:
    """Says that a DaemonSet should have put an agent here and has not; empty where that is not certain."""
    everywhere = [each for each in sets if _runs_everywhere(each)]
    if not everywhere or kinds.known(POD) is None:
        return ""
    return f"{ref_of(everywhere[0])} has no pod on {node}"


def _runs_everywhere(daemon_set: Object) -> bool:
    spec = mapping(daemon_set, "spec", "template", "spec")
    narrow = string_map(spec, "nodeSelector")
    return not mapping(spec, "affinity", "nodeAffinity") and narrow in ({}, {"kubernetes.io/os": "linux"})


# -- addresses that run out --------------------------------------------------------------------------------------------


def exhaustion(agents: Iterable[NodeAgent], stuck: Iterable[StuckPod]) -> tuple[tuple[str, str], ...]:
    """(node, message) where addresses have run out: the agent's own figures, or a sandbox that was refused one."""
    full = (
        (each.node, f"{each.addresses_used} of {each.addresses_total} addresses are allocated")
        for each in agents
        if each.addresses_used is not None and each.addresses_total and each.addresses_used >= each.addresses_total
    )
    refused = ((each.node, each.message) for each in stuck if says_exhausted(each.message))
    return tuple(dict.fromkeys([*full, *refused]))


# -- Cilium's own view -------------------------------------------------------------------------------------------------


def endpoint_state(endpoint: Object | None) -> EndpointState | None:
    """A CiliumEndpoint in short."""
    if endpoint is None:
        return None
    return EndpointState(
        state=text(endpoint, "status", "state"),
        identity=number(endpoint, "status", "identity", "id"),
        identity_labels=texts(endpoint, "status", "identity", "labels"),
        id=number(endpoint, "status", "id"),
    )


def config_of(config_maps: Iterable[Object]) -> dict[str, str]:
    """The decisive settings of cilium-config (in kube-system, or wherever Cilium was installed)."""
    data = string_map(next((each for each in config_maps if name_of(each) == "cilium-config"), NO_KEYS), "data")
    return {key: data[key] for key in DECISIVE if key in data}


SENSOR = Sensor(id="cni.health", look=look, gives=CniHealth, within=10.0, layers=("pod_network",), needs_pod=False)
