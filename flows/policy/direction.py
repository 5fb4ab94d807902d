"""One direction of one connection, from the side of the endpoint whose policies judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.policy.model import Direction, Endpoint, Traffic
from flows.policy.profile import Profile

IN_CLUSTER = frozenset({"host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"})
"""Entities that are part of the entities cluster and cluster-mesh; an API server outside the cluster is, too."""


@dataclass(frozen=True, slots=True)
class DirectionContext:
    """``subject`` is judged by its own policies; ``peer`` is the other side."""

    direction: Direction
    subject: Endpoint
    peer: Endpoint
    profile: Profile
    dns_shown: bool | None = (
        None  # a rule shows the subject's DNS answers to the datapath; None = only others' rules do
    )
    addressed: tuple[str, int] | None = (
        None  # address and port of the Service, for datapaths that judge before rewriting
    )

    @property
    def destination(self) -> Endpoint:
        return self.peer if self.direction is Direction.EGRESS else self.subject

    @property
    def peer_entities(self) -> frozenset[str]:
        """Cilium's words for the peer; a node is ``host`` to its own pods and ``remote-node`` to all others."""
        return entities_of(self.peer, self.subject, self.profile)


def scene_of(
    traffic: Traffic, direction: Direction, profile: Profile, dns_shown: bool | None = None
) -> DirectionContext:
    source, destination = traffic.source, traffic.destination
    if direction is Direction.EGRESS:
        vip = (traffic.service_ip, traffic.service_port) if traffic.service_ip and traffic.service_port else None
        return DirectionContext(direction, source, destination, profile, dns_shown, vip)
    return DirectionContext(direction, destination, source, profile, dns_shown)


def is_workload(endpoint: Endpoint, profile: Profile) -> bool | None:
    """Checks whether policies take it for a pod. ``None``: a host-network pod under a datapath we do not know."""
    if not endpoint.is_pod:
        return False
    if not endpoint.host_network or profile.host_network_is_node is False:
        return True
    return None if profile.host_network_is_node is None else False


def is_here(endpoint: Endpoint, profile: Profile) -> bool:
    """Checks whether a pod is of this cluster, not of another one of the same mesh."""
    return endpoint.cluster in ("", profile.cluster_name)


def is_node(endpoint: Endpoint) -> bool:
    return endpoint.host_network or bool(endpoint.entities & {"host", "remote-node"})


def entities_of(peer: Endpoint, subject: Endpoint, profile: Profile) -> frozenset[str]:
    """Every entity word that holds for the peer. Source: Cilium ``pkg/policy/api/entity.go``."""
    names = set(peer.entities)
    if is_workload(peer, profile):
        return frozenset(names | ({"cluster"} if is_here(peer, profile) else set()) | {"cluster-mesh", "all"})
    if peer.host_network and not names & {"host", "remote-node"}:
        names |= _node_word(peer, subject)
    if names & IN_CLUSTER or peer.host_network:
        names |= {"cluster", "cluster-mesh"}
    if "world" in names and peer.ip:
        names.add("world-ipv6" if ":" in peer.ip else "world-ipv4")
    return frozenset(names | {"all"})


def _node_word(node: Endpoint, subject: Endpoint) -> set[str]:
    if not node.node or not subject.node:
        return set()  # which of the two is decided where it matters: ``node_word_missing``
    return {"host"} if node.node == subject.node else {"remote-node"}


def node_word_missing(scene: DirectionContext) -> bool:
    """A node whose place relative to the subject is not known: host or remote-node?"""
    peer = scene.peer
    known = peer.entities & {"host", "remote-node"}
    return peer.host_network and not known and not (peer.node and scene.subject.node)


def from_own_node(scene: DirectionContext) -> bool:
    """Traffic into a pod from the node it runs on: no policy stops it (kubelet probes).

    Sources: Kubernetes "Network Policies" (a node reaches its pods); Cilium ``--allow-localhost`` (always, in
    Kubernetes). Cilium does judge the other way: a pod's egress to its own node (seen in recorded flows).
    """
    if scene.direction is not Direction.INGRESS or not scene.profile.local_node_allowed:
        return False
    return "host" in scene.peer_entities or _same_node(scene)


def _same_node(scene: DirectionContext) -> bool:
    peer, subject = scene.peer, scene.subject
    as_node = is_node(peer) and is_workload(peer, scene.profile) is not True
    return as_node and bool(peer.node) and peer.node == subject.node


def through_tunnel(scene: DirectionContext) -> DirectionContext | None:
    """The same with the other address the peer may come with: a node on an overlay reaches pods of other nodes with
    that of its tunnel (unless the overlay spans other subnets only, which is not read here). ``None``: there is none.
    """
    peer, subject = scene.peer, scene.subject
    away = not subject.node or peer.node != subject.node
    if scene.direction is not Direction.INGRESS or not peer.tunnel_ip or not away:
        return None
    return replace(scene, peer=replace(peer, ip=peer.tunnel_ip, tunnel_ip=""))
