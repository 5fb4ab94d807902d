"""A node has no network plug-in set up (no CNI configuration), so it is not ready and no pod starts there.

Proof: the kubelet says that the container runtime's network is not ready, on the node of the pod, of its peer's only
backends or of the DNS servers. Not to be mistaken for a node whose kubelet or machine is gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.model import Case, Component, Finding, Rule
from flows.symptoms.node import Hit, hits, lacks_network
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
