"""Writes one policy rule in the words of one dialect: a peer by who it is, a port as policies see it.

Never by a Service's address: under most datapaths it is gone before policy is asked, and where it is not it would open
every Service of the cluster. A peer that a dialect has no word for is None: another dialect, or no rule at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.fixes.identity import selector_of
from flows.policy import Direction, Endpoint, PolicyWorld, Traffic
from flows.policy.calico_selectors import NAMESPACE_NAME
from flows.policy.direction import is_workload

POD_NAMESPACE = "k8s:io.kubernetes.pod.namespace"
SUFFIX = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Passage:
    """Peer and ports to admit on one side: these ports of this peer. `ports` as (protocol, number)."""

    peer: Endpoint
    ports: tuple[tuple[str, int], ...]
    service: Mapping[str, str] = field(default_factory=dict)  # the selector of the Service the client addressed


@dataclass(frozen=True, slots=True)
class RefusingSide:
    """One endpoint whose policies refuse, in one direction, and everything that it should admit."""

    direction: Direction
    subject: Endpoint
    passages: tuple[Passage, ...]

    @property
    def key(self) -> str:
        """The section of a policy: `egress` or `ingress`."""
        return self.direction.value

    @property
    def word(self) -> str:
        return "to" if self.direction is Direction.EGRESS else "from"


def passages_of(traffics: Sequence[Traffic], direction: Direction, world: PolicyWorld) -> tuple[Passage, ...]:
    """Connections with the peers that one selector names together, and their ports merged."""
    found: dict[tuple[Any, ...], tuple[Endpoint, dict[tuple[str, int], None], Mapping[str, str]]] = {}
    for each in traffics:
        peer = each.destination if direction is Direction.EGRESS else each.source
        if each.port is None:
            continue
        service = world.service(*each.service) if each.service and direction is Direction.EGRESS else None
        selector = service.selector if service is not None and service.selector else {}
        _, ports, _ = found.setdefault(_kind_of(peer, world), (peer, {}, selector))
        ports[each.protocol, each.port] = None
    return tuple(Passage(peer, tuple(ports), selector) for peer, ports, selector in found.values())


def _kind_of(peer: Endpoint, world: PolicyWorld) -> tuple[Any, ...]:
    if is_workload(peer, world.profile):
        return peer.namespace, tuple(sorted(selector_of(peer, world).items()))
    if "kube-apiserver" in peer.entities:
        return ("kube-apiserver",)
    if is_one_of(peer, peer):
        return "daemonset", peer.namespace, peer.workload
    return peer.fqdns[:1] or (peer.ip,)


# -- NetworkPolicy ---------------------------------------------------------------------------------------------------


def kubernetes_rule(side: RefusingSide, passage: Passage, namespace: str, world: PolicyWorld) -> dict[str, Any] | None:
    """One rule of a NetworkPolicy in `namespace`; None where it has no word for the peer under this datapath."""
    peers = kubernetes_peers(side, passage, namespace, world)
    if peers is None:
        return None
    return {side.word: peers, "ports": [{"protocol": protocol, "port": port} for protocol, port in passage.ports]}


def kubernetes_peers(
    side: RefusingSide, passage: Passage, namespace: str, world: PolicyWorld
) -> list[dict[str, Any]] | None:
    peer = passage.peer
    if is_workload(peer, world.profile):
        labels = selector_of(peer, world, (passage.service,))
        if not labels:
            return None
        pods: dict[str, Any] = {"podSelector": {"matchLabels": labels}}
        if peer.namespace == namespace:
            return [pods]
        return [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: peer.namespace}}, **pods}]
    addresses = _addresses(side, peer, world)
    return [{"ipBlock": {"cidr": each}} for each in addresses] if addresses else None


def _addresses(side: RefusingSide, peer: Endpoint, world: PolicyWorld) -> list[str]:
    """CIDRs of single addresses, as far as this datapath compares addresses with such a peer at all."""
    if "kube-apiserver" in peer.entities and peer.host_network:
        return [_single(ip) for ip in sorted(world.api_servers)] if world.profile.cidr_matches_nodes else []
    if peer.host_network or peer.is_pod:
        nodes = nodes_of(peer, world) if world.profile.cidr_matches_nodes else ()
        return [_single(ip) for ip in dict.fromkeys(ip for each in nodes for ip in _seen_as(side, each)) if ip]
    return [_single(peer.ip)] if peer.ip and peer.entities <= {"world"} else []


MAX_ADDRESSES = 16
"""A list of more addresses is for nobody to keep up to date."""


def nodes_of(peer: Endpoint, world: PolicyWorld) -> tuple[Endpoint, ...]:
    """Nodes of the peer's processes: a DaemonSet on the host network is on each node that has a pod of it. Empty where
    these are too many to list."""
    everywhere = [peer, *(each for each in world.inventory.pods.values() if is_one_of(each, peer))]
    found = {each.node or each.ip: each for each in reversed(everywhere)}
    return tuple(found[name] for name in sorted(found)) if len(found) <= MAX_ADDRESSES else ()


def is_one_of(pod: Endpoint, peer: Endpoint) -> bool:
    """Checks whether both are pods of one DaemonSet on the host network."""
    same = (pod.namespace, pod.workload) == (peer.namespace, peer.workload)
    return peer.host_network and pod.host_network and peer.workload.startswith("DaemonSet ") and same


def _seen_as(side: RefusingSide, node: Endpoint) -> tuple[str, ...]:
    """The addresses of a node in the eyes of the other side: its own, and as a client that of its overlay's tunnel."""
    return (node.ip, node.tunnel_ip) if side.direction is Direction.INGRESS else (node.ip,)


def _single(ip: str) -> str:
    return f"{ip}/{SUFFIX[6 if ':' in ip else 4]}"


# -- CiliumNetworkPolicy ---------------------------------------------------------------------------------------------


def cilium_rule(side: RefusingSide, passage: Passage, namespace: str, world: PolicyWorld) -> dict[str, Any] | None:
    """One rule of a CiliumNetworkPolicy in `namespace` ("" = cluster-wide); None where it has no word for the peer."""
    peers = cilium_peers(side, passage, namespace, world)
    return None if peers is None else {**peers, "toPorts": [{"ports": cilium_ports(passage)}]}


def cilium_ports(passage: Passage) -> list[dict[str, str]]:
    return [{"port": str(port), "protocol": protocol} for protocol, port in passage.ports]


def cilium_peers(side: RefusingSide, passage: Passage, namespace: str, world: PolicyWorld) -> dict[str, Any] | None:
    peer, word = passage.peer, side.word
    if is_workload(peer, world.profile):
        labels = selector_of(peer, world, (passage.service,))
        home = {} if peer.namespace == namespace else {POD_NAMESPACE: peer.namespace}
        return {f"{word}Endpoints": [{"matchLabels": {**home, **labels}}]} if labels else None
    if "kube-apiserver" in peer.entities:
        return {f"{word}Entities": ["kube-apiserver"]}
    if peer.host_network:
        words = [_node_word(side.subject, each) for each in nodes_of(peer, world) or (peer,)]
        return {f"{word}Entities": list(dict.fromkeys(words))}
    if word == "to" and peer.fqdns and _sees_names(side.subject, world):
        return {"toFQDNs": [{"matchName": peer.fqdns[0].rstrip(".")}]}
    return {f"{word}CIDR": [_single(peer.ip)]} if peer.ip else None


def _node_word(subject: Endpoint, peer: Endpoint) -> str:
    """A node is `host` to its own pods and `remote-node` to all others (Cilium `pkg/policy/api/entity.go`)."""
    own = "host" in peer.entities or (peer.node and peer.node == subject.node)
    return "host" if own else "remote-node"


def _sees_names(subject: Endpoint, world: PolicyWorld) -> bool:
    """True if some policy of the pod shows its DNS answers to the datapath: else a name never gets an address."""
    return any(policy.shows_dns for policy, certain in world.selecting(subject, Direction.EGRESS) if certain)
