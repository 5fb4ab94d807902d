"""Finds what a node that is down takes with it: the pod, the backends of its peer, the DNS servers.

No rule of its own: what the rules about nodes have in common. A node that hosts nobody of the complaint is not the
cause, however badly it fares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.belief import CONFIRMED, EVIDENT, PARTIAL, PROBABLE, SUSPECTED
from flows.causes import BACKENDS_LOST, DNS_SERVERS_LOST
from flows.model import Case
from flows.symptoms.dns import belief_of, is_serving
from flows.symptoms.peers import Peer, asked_peer, suspects
from sensors.dns_coredns_health import CoreDns
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import NodeFacts, Nodes
from sensors.k8s_pod import PodFacts
from sensors.net_connect import Connects
from sensors.topology.peer import AskedKind

NO_NETWORK = re.compile(r"NetworkPluginNotReady|NetworkReady=false|cni (?:plugin|config) (?:not |un)initialized", re.I)
"""The kubelet's words for a node whose container runtime finds no network plug-in (source: kubelet, containerd)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing the node takes with it, how far that explains the complaint (0 to 1), what else it explains."""

    words: str
    belief: float
    also_hides: frozenset[str] = frozenset()


def lacks_network(node: NodeFacts) -> bool:
    """Not ready only because its container runtime has no network plug-in."""
    return node.ready == "False" and NO_NETWORK.search(f"{node.reason} {node.message}") is not None


def hits(case: Case, node: NodeFacts) -> tuple[Hit, ...]:
    """All that the complaint loses with this node. Raises `Missing` without the nodes."""
    return (*_target(case, node), *_backends(case, node), *_peer(case, node), *_dns(case, node))


def _target(case: Case, node: NodeFacts) -> list[Hit]:
    if case[Nodes].target_node != node.name:
        return []
    pod = case.get(PodFacts)
    if pod is not None and not pod.ips:
        return [Hit(f"{case.target} is on it and has no address", CONFIRMED)]
    if _traffic_is_seen(case):
        return [Hit(f"{case.target} runs on it, and its traffic flows in part", SUSPECTED)]
    return [Hit(f"{case.target} runs on it, and nothing of its traffic is seen to work", EVIDENT)]


def _traffic_is_seen(case: Case) -> bool:
    """Something of the pod's traffic works, or was dropped by a policy: then its node does carry it."""
    flows, attempts = case.get(HubbleFlows), case.get(Connects)
    worked = any(each.outcome is ConnectionOutcome.OPENED for each in flows.connections) if flows else False
    opened = any(each.is_open for each in attempts.doors) if attempts else False
    return worked or opened or bool(flows and flows.dropped)


def _backends(case: Case, node: NodeFacts) -> list[Hit]:
    """Services of the complaint that have lost their last endpoint with the node."""
    found = []
    for peer, weight in suspects(case):
        if peer.fails and _all_there(peer, node):
            words = (
                f"every endpoint of {peer.service.ref if peer.service else peer} is on it, though still called ready"
            )
            found.append(Hit(words, EVIDENT * weight))
        lost = _lost_backends(peer, node)
        if lost is not None:
            ours, all_of_them = lost
            words = (
                f"{peer.service.ref if peer.service else peer} has no ready endpoint ({', '.join(ours[:3])} ran on it)"
            )
            belief = (CONFIRMED if len(ours) == all_of_them else PARTIAL) * weight
            found.append(Hit(words, belief, BACKENDS_LOST))
    return found


def _all_there(peer: Peer, node: NodeFacts) -> bool:
    """All endpoints that the Service still sends to are on the node: they are taken out only after a while."""
    ends = peer.service.ready_endpoints if peer.service else None
    return bool(ends) and all(each.node == node.name for each in ends or ())


def _lost_backends(peer: Peer, node: NodeFacts) -> tuple[list[str], int] | None:
    """The Service's pods on the node, and how many pods it has; None where it still has ready endpoints."""
    service = peer.service
    if service is None or service.ready_endpoints != () or not service.matching_pods:
        return None
    ours = [each.pod for each in service.matching_pods if each.node == node.name and not each.ready]
    return (ours, len(service.matching_pods)) if ours else None


def _peer(case: Case, node: NodeFacts) -> list[Hit]:
    """The question is about the node itself or a pod on it, or the node's network is not set up."""
    peer = asked_peer(case)
    if peer is None or peer.resolved is None or node.name not in case[Nodes].peer_nodes or peer.fails is False:
        return []
    if peer.resolved.kind in (AskedKind.POD, AskedKind.NODE):
        return [Hit(f"{peer} is on it", EVIDENT)]
    return [Hit(f"backends of {peer} are on it", PROBABLE)] if node.network_unavailable and peer.fails else []


def _dns(case: Case, node: NodeFacts) -> list[Hit]:
    dns = case.get(CoreDns)
    if dns is None or not dns.pods or is_serving(dns) is not False:
        return []
    if not all(each.node_ready is False for each in dns.pods) or node.name not in {each.node for each in dns.pods}:
        return []
    words = f"no DNS server is ready ({', '.join(each.name for each in dns.pods[:3])} ran there)"
    return [Hit(words, belief_of(case, dns), DNS_SERVERS_LOST)]
