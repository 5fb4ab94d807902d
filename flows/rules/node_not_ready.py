"""A node is not ready: its pods are taken out of their Services, and nobody hears from its kubelet.

Proof: the Node's Ready condition is False or Unknown (or NetworkUnavailable is True) now, and the pod, its peer's only
backends or the only DNS servers are on it. Not to be mistaken for a node that was not ready a while ago, one that hosts
nobody of the complaint, or one that only lacks its network plug-in.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.model import Case, Component, Finding, Rule
from flows.symptoms.node import Hit, hits, lacks_network
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Lookups
from sensors.k8s_nodes import NodeFacts, Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services


def judge(case: Case) -> Iterator[Finding]:
    """One finding for each node that is down and takes somebody of the complaint with it."""
    for node in case[Nodes].nodes:
        found = hits(case, node) if _is_down(node) else ()
        if found:
            yield _finding(node, found)


def _is_down(node: NodeFacts) -> bool:
    """A node that says nothing of itself is not called down."""
    return (node.ready in ("False", "Unknown") or node.network_unavailable is True) and not lacks_network(node)


def _finding(node: NodeFacts, found: tuple[Hit, ...]) -> Finding:
    worst = max(found, key=lambda each: each.belief)
    return Finding(
        cause_class="node.not_ready",
        cause=f"Node {node.name} is {_state(node)}: {worst.words}",
        component=Component("Node", "", node.name),
        belief=round(worst.belief, 3),
        because="; ".join(
            [f"{node.name}: {node.message or _state(node)}{_heard(node)}", *(each.words for each in found)]
        ),
        shown_by=(Nodes, Services, CoreDns, Lookups, PodFacts),
        recommendation=(
            f"Bring {node.name} back (start its kubelet, or see whether the machine is up and reaches the API server); "
            "its pods return to their Services by themselves. Do not drain it blindly: its pods may still run."
        ),
        also_hides=frozenset[str]().union(*(each.also_hides for each in found)),
    )


def _state(node: NodeFacts) -> str:
    if node.ready not in ("False", "Unknown"):
        return "without a network (NetworkUnavailable)"
    since = f" since {node.since:%H:%M:%S}" if node.since else ""
    return f"not ready{since} ({node.reason or 'no reason given'})"


def _heard(node: NodeFacts) -> str:
    return f" Its kubelet was last heard at {node.heartbeat:%H:%M:%S}" if node.heartbeat else ""


RULE = Rule(id="node-not-ready", judge=judge, causes=("node.not_ready",), needs=(Nodes,))
