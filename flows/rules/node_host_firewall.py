"""A firewall of a node refuses what the pod sends to that node: a host policy, not a policy of any pod.

Proof: the datapath drops the pod's packets by policy on the way *into* a node (host, remote node, API server), which
only a policy for nodes can do; or one port of a node that is ready swallows everything while another one answers. Not
to be mistaken for an egress policy of the pod, which drops them on the way out, nor for a node that is down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.belief import INFERRED, NAMED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.kit.objects import items, kind_of, label_selector_matches, labels_of, mapping, name_of, text
from sensors.net_connect import Connects

BY_POLICY = (133, 181)
NODES = frozenset({"host", "remote-node", "kube-apiserver"})


def judge(case: Case) -> Iterator[Finding]:
    """Speaks for each peer that is a node and whose own policy drops the pod's packets."""
    for peer, weight in suspects(case):
        refused = [each for each in peer.connections if _is_refused_by_node(each)]
        swallowed = [each for each in peer.connections if _is_swallowed(case, each)]
        if refused:
            yield _finding(case, refused[0], NAMED * weight)
        elif swallowed and _answers_elsewhere(case, swallowed[0]):
            yield _swallowed(case, swallowed[0], INFERRED * weight)


def _is_refused_by_node(each: Connection) -> bool:
    into_node = bool(NODES & set(each.destination.entities)) and not each.destination.pod
    return into_node and any(
        drop.number in BY_POLICY and drop.direction == "INGRESS" and not drop.of_reply for drop in each.drops
    )


def _finding(case: Case, refused: Connection, belief: float) -> Finding:
    where = refused.destination
    drop = next(each for each in refused.drops if each.number in BY_POLICY and each.direction == "INGRESS")
    return Finding(
        cause_class="node.host_firewall",
        cause=f"The node {where.ip} refuses {case.target} on {refused.protocol}/{refused.port} by a policy for nodes",
        component=_component(case, refused),
        belief=round(belief, 3),
        because=f"{drop.packets} packets of {refused} dropped as {drop.reason} ({drop.number}), INGRESS at a node",
        shown_by=(HubbleFlows,),
        recommendation=(
            f"Find the CiliumClusterwideNetworkPolicy with a nodeSelector that isolates {where.ip} and let it admit "
            "this traffic, if it is wanted; it belongs to the operators of the nodes."
        ),
    )


def _is_swallowed(case: Case, each: Connection) -> bool:
    """Sent to a node that is ready, not dropped where we could see, and never answered."""
    nodes = case.get(Nodes)
    there = [one for one in (nodes.nodes if nodes else ()) if each.destination.ip in one.internal_ips]
    return (
        each.outcome is ConnectionOutcome.UNANSWERED
        and not each.destination.pod
        and any(one.ready == "True" for one in there)
    )


def _answers_elsewhere(case: Case, silent: Connection) -> bool:
    """The same address answers the pod on another port, be it with a refusal."""
    others = [each for each in case[HubbleFlows].connections if each.port != silent.port]
    heard = any(each.destination.ip == silent.destination.ip and each.outcome in ANSWERS for each in others)
    attempts = case.get(Connects)
    tried = [each for each in (attempts.doors if attempts else ()) if each.port != silent.port]
    return heard or any(each.host == silent.destination.ip and each.result in ("open", "refused") for each in tried)


ANSWERS = (ConnectionOutcome.OPENED, ConnectionOutcome.REFUSED)


def _swallowed(case: Case, silent: Connection, belief: float) -> Finding:
    node = _component(case, silent)
    return Finding(
        cause_class="node.host_firewall",
        cause=f"{node} answers {case.target} on other ports and swallows {silent.protocol}/{silent.port}",
        component=node,
        belief=round(belief, 3),
        because=f"{silent.unanswered} attempts of {silent} were sent, not dropped by the datapath and not answered",
        shown_by=(HubbleFlows, Connects, Nodes),
        recommendation=f"Look at the firewall of {node} itself (nft list ruleset, iptables -S), for {silent.port}.",
    )


def _component(case: Case, refused: Connection) -> Component:
    """The policy, where the datapath named it (explicit denials only); else the node that has the address."""
    denied = (each for each in refused.policies if each.verdict == "denied" and each.direction == "INGRESS")
    named = next(denied, None)
    if named is not None:
        return Component(named.kind or "CiliumClusterwideNetworkPolicy", named.namespace, named.name)
    computed = _isolating(case, refused)
    if len(computed) == 1:
        return Component("CiliumClusterwideNetworkPolicy", "", computed[0])
    nodes = case.get(Nodes)
    owner = (each.name for each in (nodes.nodes if nodes else ()) if refused.destination.ip in each.internal_ips)
    return Component("Node", "", next(owner, refused.destination.ip))


def _isolating(case: Case, refused: Connection) -> list[str]:
    """The policies for nodes that select the refusing node and restrict what comes in: a default deny names none."""
    policies = case.get(Policies)
    objects = policies.objects if policies else ()
    nodes = [each for each in objects if kind_of(each) == "Node" and refused.destination.ip in _addresses(each)]
    labels = labels_of(nodes[0]) if nodes else None
    found = (each for each in objects if kind_of(each) == "CiliumClusterwideNetworkPolicy")
    return [name_of(each) for each in found if any(_isolates(rule, labels) for rule in _rules(each))]


def _addresses(node: Mapping[str, Any]) -> set[str]:
    return {text(each, "address") for each in items(node, "status", "addresses")}


def _rules(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [mapping(policy, "spec"), *items(policy, "specs")]


def _isolates(rule: Mapping[str, Any], labels: Mapping[str, str] | None) -> bool:
    if "nodeSelector" not in rule or labels is None or not (items(rule, "ingress") or items(rule, "ingressDeny")):
        return False
    return label_selector_matches(rule["nodeSelector"] or {}, labels) is True


RULE = Rule(id="node-host-firewall", judge=judge, causes=("node.host_firewall",), needs=(HubbleFlows,))
