"""Peers of a rule: each idea of the specifications is one small type that answers one question.

``fits`` answers yes, no, or ``None`` for "cannot be told"; ``misses`` says why not; ``doubt`` says why it cannot.
The words of the Kubernetes API are here; Cilium's own are in ``cilium_peers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from flows.policy.addresses import CidrBlock, comparable, is_address, kind_in_words
from flows.policy.closest import weight
from flows.policy.direction import DirectionContext, is_here, is_workload
from flows.policy.model import Endpoint, Miss, MissKind
from flows.policy.profile import Profile
from flows.policy.selectors import EVERYTHING, Selector


class PolicyPeer(Protocol):
    @property
    def path(self) -> str: ...

    def fits(self, scene: DirectionContext) -> bool | None: ...

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]: ...

    def doubt(self, scene: DirectionContext) -> str: ...


@dataclass(frozen=True, slots=True)
class Anyone:
    """No restriction: pods, nodes and the world (an absent or empty ``from``/``to``)."""

    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        return True

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        return ()

    def doubt(self, scene: DirectionContext) -> str:
        return ""

    def __str__(self) -> str:
        return "anyone"


@dataclass(frozen=True, slots=True)
class Nobody:
    """A rule that matches no peer, whatever it looks like."""

    why: str
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        return False

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        return (Miss(MissKind.NOBODY, self.why, self.path),)

    def doubt(self, scene: DirectionContext) -> str:
        return ""

    def __str__(self) -> str:
        return "nobody"


@dataclass(frozen=True, slots=True)
class UnclearPeer:
    """A peer whose meaning is outside what is modelled: cloud groups, node labels, objects not at hand."""

    why: str
    path: str = ""
    possible: Callable[[Endpoint], bool] | None = None  # False = certainly not this one
    pods: SelectedPodsPeer | None = None  # certainly nobody but these

    def fits(self, scene: DirectionContext) -> bool | None:
        if self.pods is not None:
            return None if self.pods.selects(scene.peer) else False
        return None if self.possible is None or self.possible(scene.peer) else False

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        return (Miss(MissKind.NOBODY, self.why, self.path),)

    def doubt(self, scene: DirectionContext) -> str:
        return self.why

    def __str__(self) -> str:
        return "peers that cannot be told"


@dataclass(frozen=True, slots=True)
class SelectedPodsPeer:
    """Pods by namespace AND pod labels; without a namespaceSelector the policy's own namespace.

    Source: NetworkPolicyPeer in the API reference: both selectors in one item are ANDed, two items are ORed.
    """

    pods: Selector = EVERYTHING
    namespace: str = ""  # exactly this one, when there is no selector
    namespaces: Selector | None = None
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        peer, profile = scene.peer, scene.profile
        workload = is_workload(peer, profile)
        if workload is False:
            return self._fits_without_labels(profile)
        if not self.selects(peer):
            return False
        return workload if is_here(peer, profile) else _reaches_abroad(profile)

    def _fits_without_labels(self, profile: Profile) -> bool | None:
        """Cilium asks nodes and addresses, too (``parseNetworkPolicyPeer``): one whose labels are all ruled out by
        NotIn and DoesNotExist means them, until 1.19 made every such selector mean pods of this cluster."""
        if not profile.labels_alone or self.namespaces is None or not self.namespaces.requirements:
            return False
        fits = self.namespaces.matches({}) and self.pods.matches({})
        return _reaches_abroad(profile) if fits else False

    def selects(self, peer: Endpoint) -> bool:
        """Checks whether it means this pod, by namespace and labels."""
        if not peer.namespace:
            return False
        if self.namespaces is None:
            return peer.namespace == self.namespace and self.pods.matches(peer.labels)
        return self.namespaces.matches(peer.namespace_labels) and self.pods.matches(peer.labels)

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        peer = scene.peer
        if not is_workload(peer, scene.profile):
            return (not_a_pod(peer, self.path),)
        own = self._namespace_misses(peer) + self.pods.misses(peer.labels, MissKind.LABEL, f"pod {peer}")
        return own + (() if is_here(peer, scene.profile) else (_abroad(peer, self.path, scene.profile),))

    def _namespace_misses(self, peer: Endpoint) -> tuple[Miss, ...]:
        if self.namespaces is not None:
            who = f"namespace {peer.namespace}"
            return self.namespaces.misses(peer.namespace_labels, MissKind.NAMESPACE_LABEL, who)
        if peer.namespace == self.namespace:
            return ()
        why = f"without a namespaceSelector it looks into namespace {self.namespace} only, {peer} is elsewhere"
        return (Miss(MissKind.NAMESPACE, why, self.path, "namespace", (self.namespace,), peer.namespace),)

    def doubt(self, scene: DirectionContext) -> str:
        if is_workload(scene.peer, scene.profile) is not None:
            return f"whether it reaches {scene.peer} depends on policy-default-local-cluster, on from Cilium 1.19"
        return f"{scene.peer} is on the host network: whether policies see a pod or a node is not known here"

    def __str__(self) -> str:
        pods = f"pods {self.pods}" if self.pods.requirements else "all pods"
        if self.namespaces is None:
            return f"{pods} in {self.namespace}"
        where = f"namespaces {self.namespaces}" if self.namespaces.requirements else "all namespaces"
        return f"{pods} in {where}"


def _reaches_abroad(profile: Profile) -> bool | None:
    """Checks whether a selector means more than this cluster's pods; ``None``: it depends on Cilium's version."""
    return None if profile.local_cluster_only is None else not profile.local_cluster_only


def _abroad(peer: Endpoint, path: str, profile: Profile) -> Miss:
    here = profile.cluster_name
    why = f"it means cluster {here} only (from Cilium 1.19 on), {peer} is in {peer.cluster}"
    return Miss(MissKind.LABEL, why, path, "io.cilium.k8s.policy.cluster", (here,), peer.cluster)


def not_a_pod(peer: Endpoint, path: str) -> Miss:
    return Miss(MissKind.NOT_A_POD, f"{peer} is not a pod, so a pod selector cannot match it", path, got=str(peer))


@dataclass(frozen=True, slots=True)
class Addresses:
    """A CIDR with exceptions, as far as the datapath compares addresses at all."""

    block: CidrBlock
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        compared = comparable(scene.peer, scene.profile)
        if compared is False:
            return False
        if not is_address(scene.peer.ip):
            return None
        if not self.block.covers(scene.peer.ip) or self.block.excepted_by(scene.peer.ip):
            return False
        return compared

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        ip = scene.peer.ip
        if not self.block.covers(ip):
            return (
                Miss(
                    MissKind.CIDR,
                    f"{ip or scene.peer} is outside {self.block}",
                    self.path,
                    "cidr",
                    (self.block.cidr,),
                    ip,
                ),
            )
        excepted = self.block.excepted_by(ip)
        if excepted:
            return (
                Miss(
                    MissKind.CIDR_EXCEPT,
                    f"{ip} is in the exception {excepted}",
                    self.path,
                    "except",
                    (str(excepted),),
                    ip,
                ),
            )
        why = f"{self.block} covers {ip}, but this datapath never compares a CIDR with {kind_in_words(scene.peer)}"
        return (Miss(MissKind.CIDR_NEVER_MATCHES, why, self.path, "cidr", (self.block.cidr,), ip),)

    def doubt(self, scene: DirectionContext) -> str:
        if not is_address(scene.peer.ip):
            return f"the address of {scene.peer} is not known, so {self.block} cannot be compared"
        kind = kind_in_words(scene.peer)
        return f"{self.block} covers {scene.peer.ip}; whether this datapath compares it with {kind} is not known"

    def __str__(self) -> str:
        return str(self.block)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One entry of a policy that stands for several peers, e.g. the endpoints of a Service."""

    peers: tuple[PolicyPeer, ...]
    name: str
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        return any_of(peer.fits(scene) for peer in self.peers)

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        return (Miss(MissKind.SERVICE, f"{scene.peer} is not behind {self.name}", self.path, got=str(scene.peer)),)

    def doubt(self, scene: DirectionContext) -> str:
        return next(peer.doubt(scene) for peer in self.peers if peer.fits(scene) is None)

    def __str__(self) -> str:
        return self.name


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Yes if one says yes; else "cannot be told" if one cannot; else no."""
    unclear = False
    for answer in answers:
        if answer:
            return True
        unclear = unclear or answer is None
    return None if unclear else False


def nearest_misses(peers: Iterable[PolicyPeer], scene: DirectionContext) -> tuple[Miss, ...]:
    """The misses of the peer that came closest: fewest, then the likeliest spelling mistake."""
    return min((peer.misses(scene) for peer in peers), key=weight, default=())
