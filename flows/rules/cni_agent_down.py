"""The network plug-in's agent on a node does not run, so new pods there get no network and stay in ContainerCreating.

Proof: a pod of the complaint waits for its network on a node whose agent fails, cannot be read while the others can,
or is called unavailable by the relay. Pods that run already keep working. Not to be mistaken for a node that is down,
for a lack of addresses, nor for a pod that waits for its image or a volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from flows.belief import ATTESTED, CONFIRMED, INFERRED, PROBABLE, SUSPECTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from flows.symptoms.sandbox import Victim, victims
from sensors.cni_health import AgentState, CniHealth, NodeAgent
from sensors.hubble_capture_flows import HubbleFlows, SilentNode
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.net_connect import Connects, Role

REFUSED = re.compile(
    r"unable to connect to cilium|cilium\.sock|is the agent running|agent is not running|agent-not-ready"
    r"|calico-node.*not (?:running|ready)|stat /var/lib/calico/nodename|subnet\.env|dial unix .*connect:"
    r"|aws-node|failed to (?:connect|dial).*(?:cni|ipamd|50051)",
    re.IGNORECASE,
)
"""How the plug-ins of Cilium, Calico, flannel and AWS say that their agent did not answer (their own sources)."""


def judge(case: Case) -> Iterator[Finding]:
    """One finding for each node on which someone of the complaint waits and the agent is not well."""
    cni = case[CniHealth]
    for node in dict.fromkeys(each.node for each in victims(case)):
        waiting = [each for each in victims(case) if each.node == node]
        sure = _sure(case, cni, node, waiting)
        if sure:
            yield _finding(case, cni, node, waiting, sure)
    running = _running_pod_s_agent(case, cni)
    if running is not None:
        yield running


def _sure(case: Case, cni: CniHealth, node: str, waiting: list[Victim]) -> float:
    """Belief that the pods wait because of the agent; 0 where it seems well or addresses have run out."""
    if any(where == node for where, _ in cni.exhausted):
        return 0.0
    agent = cni.agent(node)
    if any(REFUSED.search(each.pod.message) for each in waiting) or (agent and agent.state is AgentState.FAILING):
        return CONFIRMED
    if agent is not None and agent.state is AgentState.OK:
        return 0.0
    if _silent(case, node):
        return ATTESTED
    return INFERRED if any(each.state is AgentState.OK for each in cni.agents) else SUSPECTED


def _silent(case: Case, node: str) -> SilentNode | None:
    flows = case.get(HubbleFlows)
    return next((each for each in (flows.silent if flows else ()) if each.node == node), None)


def _finding(case: Case, cni: CniHealth, node: str, waiting: list[Victim], sure: float) -> Finding:
    component = _component(cni, node)
    return Finding(
        cause_class="cni.agent_down",
        cause=f"The {cni.cni or 'network'} agent on node {node} does not run: {waiting[0]}",
        component=component,
        belief=round(sure * max(each.weight for each in waiting), 3),
        because="; ".join([*_signs(case, cni, node), *(str(each) for each in waiting[:3]), *_said(waiting)]),
        shown_by=(CniHealth, PodFacts, HubbleFlows, Nodes, Services),
        recommendation=(
            f"Start the {cni.cni or 'network'} agent on {node} again (or mend why it crashes); waiting pods then get "
            "their network by themselves. Do not drain the node: pods that run there keep working."
        ),
        also_hides=frozenset[str]().union(*(each.also_hides for each in waiting)),
    )


def _component(cni: CniHealth, node: str) -> Component:
    """The DaemonSet, where agents run as pods; else the node on which someone must start it."""
    if cni.daemon_set is not None:
        return Component(cni.daemon_set.kind, cni.daemon_set.namespace, cni.daemon_set.name)
    return Component("Node", "", node)


def _signs(case: Case, cni: CniHealth, node: str) -> list[str]:
    agent, silent, well = cni.agent(node), _silent(case, node), _well(cni)
    signs = [f"the agent on {node} is {agent.state.value}: {agent.why}"] if agent and agent.state in NOT_WELL else []
    signs += [f"the relay says {silent.state} of {node}"] if silent else []
    return [*signs, f"the agents on {', '.join(well[:3])} are well"] if well else signs


NOT_WELL = (AgentState.FAILING, AgentState.UNREADABLE)


def _well(cni: CniHealth) -> list[str]:
    return [each.node for each in cni.agents if each.state is AgentState.OK]


def _said(waiting: list[Victim]) -> list[str]:
    return [each.pod.message for each in waiting if each.pod.message][:1]


def _running_pod_s_agent(case: Case, cni: CniHealth) -> Finding | None:
    """The pod runs, and its node's agent fails: established rules keep working, changes do not arrive. A suspicion."""
    agent, pod = cni.agent(cni.target_node), case.get(PodFacts)
    if agent is None or agent.state is AgentState.OK or pod is None or not pod.ips:
        return None
    astray = _leads_astray(case)
    heard = agent.state is AgentState.FAILING or _silent(case, agent.node) is not None
    if astray and heard and _well(cni):
        return _stale_rules(case, cni, agent, astray)
    return _suspicion(cni, agent) if agent.state is AgentState.FAILING else None


def _leads_astray(case: Case) -> str:
    """The Service with ready backends whose address fails while a backend's own address opens; empty: none does."""
    for peer, _ in suspects(case):
        address = any(not each.is_open for each in peer.doors if each.role is Role.SERVICE)
        backend = any(each.is_open for each in peer.doors if each.role is Role.BACKEND)
        if address and backend and peer.service and peer.service.ready_endpoints and peer.service_port:
            return str(peer.service.ref)
    return ""


def _stale_rules(case: Case, cni: CniHealth, agent: NodeAgent, service: str) -> Finding:
    told = _suspicion(cni, agent)
    what = f"The {cni.cni or 'network'} agent on node {agent.node} does not run, so changes do not arrive there"
    return replace(
        told,
        cause=f"{what}: {service} has ready backends that answer, and its own address does not lead to them",
        belief=PROBABLE,
        because="; ".join([*_signs(case, cni, agent.node), f"the address of {service} fails, its backends open"]),
        shown_by=(CniHealth, HubbleFlows, Connects, Services),
        recommendation=f"Start the {cni.cni or 'network'} agent on {agent.node} again; it then catches up.",
    )


def _suspicion(cni: CniHealth, agent: NodeAgent) -> Finding:
    return Finding(
        cause_class="cni.agent_down",
        cause=f"The {cni.cni or 'network'} agent on node {agent.node} fails ({agent.why}); the pod's network is there",
        component=_component(cni, agent.node),
        belief=SUSPECTED,
        because=f"{agent.why}; running pods keep their network, but changes of policies and Services do not arrive",
        shown_by=(CniHealth, PodFacts),
        recommendation=f"See why the agent on {agent.node} fails, and whether policies or Services were changed since.",
    )


RULE = Rule(id="cni-agent-down", judge=judge, causes=("cni.agent_down",), needs=(CniHealth,))
