"""A node has no network plug-in set up, or not wholly: it is not ready, or no pod starts there.

Proof: the kubelet says that the container runtime's network is not ready, on the node of the pod, of its peer's only
backends or of the DNS servers; or it says so of every node, and the scheduler finds none for the pod because of their
taints; or somebody of the complaint waits for a network and the runtime says that a plug-in's program, its attachment
or its bridge is not as the configuration wants it. Not to be mistaken for a node whose kubelet or machine is gone, for
an agent that does not answer, nor for a pod that fits nowhere for what it asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flows.belief import CONFIRMED
from flows.causes import DNS_SERVERS_LOST
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.node import Hit, hits, lacks_network
from flows.symptoms.sandbox import Victim, victims
from sensors.cni_health import CniHealth
from sensors.k8s_nodes import NodeFacts, Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services


def judge(case: Case) -> Iterator[Finding]:
    """One finding for each node without a network plug-in that hosts somebody of the complaint."""
    for node in case[Nodes].nodes:
        found = hits(case, node) if lacks_network(node) else ()
        if found:
            yield _finding(case, node, found)
    if _finds_no_node(case):
        yield _nowhere_finding(case)
    if case.get(CniHealth) is not None:
        yield from _half_set_up(case)


def _finds_no_node(case: Case) -> bool:
    """No node has a network plug-in, and that is why the scheduler leaves the pod: such nodes are tainted."""
    pod, nodes = case.get(PodFacts), case[Nodes].nodes
    waits = pod is not None and pod.phase == "Pending" and not pod.node and "taint" in pod.scheduling
    return waits and bool(nodes) and all(map(lacks_network, nodes))


def _nowhere_finding(case: Case) -> Finding:
    """One finding for the cluster, at its network plug-in where there is one: each node alone is not the fault."""
    nodes, pod = case[Nodes].nodes, case[PodFacts]
    names = ", ".join(each.name for each in nodes[:3]) + (" and others" if len(nodes) > 3 else "")
    return Finding(
        cause_class="cni.not_initialised",
        cause=f"No node of the cluster has a network plug-in set up ({names}), so {case.target} finds no node",
        component=_component(case, nodes[0]),
        belief=CONFIRMED,
        because=f"{nodes[0].name}: {nodes[0].message or nodes[0].reason}; the scheduler says {pod.scheduling}",
        shown_by=(Nodes, CniHealth, PodFacts),
        recommendation=(
            f"Install the cluster's network plug-in, or see why it has written no configuration on {names} "
            "(/etc/cni/net.d); the nodes then become ready and waiting pods start by themselves."
        ),
        also_hides=DNS_SERVERS_LOST | {"app.pending"},
    )


HALF = (
    (
        r'failed to find plugin "?(?P<what>[\w.-]+)"? in path (?P<where>\[[^\]]*\])',
        "the program {what} is missing in {where}",
    ),
    (
        r'"?(?P<what>cni\d+|kube-bridge|docker0)"? already has an IP address different from (?P<where>\S+)',
        "the bridge {what} is left over from another configuration (it should have {where})",
    ),
    (r"(?P<what>cannot find a network-attachment-definition) \((?P<where>[^)]+)\)", "{what} {where}"),
    (r"(?P<what>no networks? found|no network config(?:uration)? found) in (?P<where>/\S+)", "{what} in {where}"),
)
"""The runtime's and the plug-ins' words: libcni (find), the bridge plug-in, Multus, ocicni and containerd."""


def _half_set_up(case: Case) -> Iterator[Finding]:
    for node in dict.fromkeys(each.node for each in victims(case)):
        waiting = [(each, what) for each in victims(case) if each.node == node and (what := _lacks(each.pod.message))]
        if waiting:
            yield _half_finding(node, *waiting[0])


def _lacks(message: str) -> str:
    found = ((re.search(pattern, message), words) for pattern, words in HALF)
    return next((words.format(**hit.groupdict()) for hit, words in found if hit), "")


def _half_finding(node: str, victim: Victim, what: str) -> Finding:
    attachment = "network-attachment-definition" in what
    advice = (
        "Create that attachment, or take it out of the pod's annotation k8s.v1.cni.cncf.io/networks."
        if attachment
        else f"Put the network plug-in's installation on {node} right ({what}); waiting pods then start by themselves."
    )
    return Finding(
        cause_class="cni.not_initialised",
        cause=f"The network plug-in on node {node} is not set up wholly ({what}): {victim}",
        component=Component("Node", "", node),
        belief=round(CONFIRMED * victim.weight, 3),
        because=f"{victim.pod.reason}: {victim.pod.message}",
        shown_by=(CniHealth, PodFacts, Services),
        recommendation=advice,
        also_hides=victim.also_hides,
    )


def _finding(case: Case, node: NodeFacts, found: tuple[Hit, ...]) -> Finding:
    worst = max(found, key=lambda each: each.belief)
    return Finding(
        cause_class="cni.not_initialised",
        cause=f"Node {node.name} has no network plug-in set up: {worst.words}",
        component=_component(case, node),
        belief=round(worst.belief, 3),
        because="; ".join([f"{node.name}: {node.message or node.reason}", *(each.words for each in found)]),
        shown_by=(Nodes, CniHealth, PodFacts, Services),
        recommendation=(
            f"See why the network plug-in has written no configuration on {node.name} (/etc/cni/net.d): its pod there "
            "first, then the container runtime, which may need to read the file again."
        ),
        also_hides=frozenset[str]().union(*(each.also_hides for each in found)),
    )


def _component(case: Case, node: NodeFacts) -> Component:
    cni = case.get(CniHealth)
    if cni is None or cni.daemon_set is None:
        return Component("Node", "", node.name)
    return Component(cni.daemon_set.kind, cni.daemon_set.namespace, cni.daemon_set.name)


RULE = Rule(id="cni-not-initialised", judge=judge, causes=("cni.not_initialised",), needs=(Nodes,))
