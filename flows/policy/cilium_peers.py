"""Cilium's own words for peers: labels with a source, entities, DNS names.

Labels: ``k8s:app``, ``any:app`` and plain ``app`` mean the pod's label; ``io.kubernetes.pod.namespace`` its namespace;
``io.cilium.k8s.namespace.labels.X`` a label of its namespace; ``reserved:world`` and the like an entity.
Source: Cilium ``pkg/k8s/apis/cilium.io/utils/utils.go`` and ``Documentation/security/policy/layer3.rst``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from flows.policy.direction import DirectionContext, entities_of, is_here, is_workload, node_word_missing
from flows.policy.model import Endpoint, Miss, MissKind
from flows.policy.peers import not_a_pod
from flows.policy.profile import Profile
from flows.policy.selectors import Requirement, Selector

POD_NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
CLUSTER = "io.cilium.k8s.policy.cluster"

ENTITIES = frozenset(
    [
        "all",
        "world",
        "world-ipv4",
        "world-ipv6",
        "cluster",
        "cluster-mesh",
        "host",
        "remote-node",
        "kube-apiserver",
        "ingress",
        "health",
        "init",
        "unmanaged",
        "none",
    ]
)


@dataclass(frozen=True, slots=True)
class Term:
    """One requirement on a label with a source."""

    source: str  # k8s, any, reserved
    key: str
    wanted: Requirement

    def met_by(self, endpoint: Endpoint, entities: frozenset[str], profile: Profile) -> bool | None:
        """``None``: the service account of the pod is not known. Nodes and addresses carry reserved labels only."""
        if self.source == "reserved":
            return self.wanted.met_by("" if self.key in entities else None)
        if is_workload(endpoint, profile) is False:
            return self.wanted.met_by(None)
        if self.key == SERVICE_ACCOUNT and not endpoint.service_account:
            return None
        return self.wanted.met_by(self.value_of(endpoint, profile))

    def value_of(self, endpoint: Endpoint, profile: Profile) -> str | None:
        if self.key == POD_NAMESPACE:
            return endpoint.namespace or None
        if self.key == CLUSTER:
            return endpoint.cluster or profile.cluster_name
        if self.key == SERVICE_ACCOUNT:
            return endpoint.service_account
        if self.key.startswith(NAMESPACE_LABELS):
            return endpoint.namespace_labels.get(self.key.removeprefix(NAMESPACE_LABELS))
        return endpoint.labels.get(self.key)

    def miss(self, peer: Endpoint) -> Miss:
        """The miss in the words of the label it is about."""
        if self.key == POD_NAMESPACE:
            wanted = ", ".join(self.wanted.values) or self.wanted
            why = f"{peer} is in namespace {peer.namespace}, the rule wants {wanted}"
            return Miss(MissKind.NAMESPACE, why, self.wanted.path, self.key, self.wanted.values, peer.namespace)
        if self.key.startswith(NAMESPACE_LABELS):
            bare = Requirement(self.key.removeprefix(NAMESPACE_LABELS), *_rest(self.wanted))
            return bare.miss(peer.namespace_labels, MissKind.NAMESPACE_LABEL, f"namespace {peer.namespace}")
        bare = Requirement(self.key, *_rest(self.wanted))
        labels = {**peer.labels, CLUSTER: peer.cluster} if peer.cluster else peer.labels
        return bare.miss(labels, MissKind.LABEL, f"pod {peer}")


def _rest(wanted: Requirement) -> tuple[str, tuple[str, ...], str, bool]:
    return wanted.operator, wanted.values, wanted.path, wanted.hidden


def terms_of(selector: Selector) -> tuple[Term, ...]:
    return tuple(_term(requirement) for requirement in selector.requirements)


def _term(requirement: Requirement) -> Term:
    source, colon, key = requirement.key.partition(":")
    if not colon or source not in ("k8s", "any", "reserved"):
        source, key = "any", requirement.key
    return Term(source, key, requirement)


@dataclass(frozen=True, slots=True)
class CiliumEndpoints:
    """``toEndpoints``/``fromEndpoints``: endpoints by label. ``namespace`` scopes it when the selector names none.

    Not ``pods_only``: the selector asks for reserved labels, or speaks of the namespace in its own words. Then nodes
    and addresses outside are asked, too, and meet every NotIn and DoesNotExist (``getEndpointSelector`` in
    ``pkg/k8s/apis/cilium.io/utils``).
    """

    selector: Selector
    terms: tuple[Term, ...]
    namespace: str = ""  # "" = not scoped
    pods_only: bool = True
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        peer = scene.peer
        workload = is_workload(peer, scene.profile) if self.pods_only else True
        if workload is False or (self.namespace and peer.namespace != self.namespace):
            return False
        entities = scene.peer_entities
        answers = [term.met_by(peer, entities, scene.profile) for term in self.terms]
        answers.append(self._cluster_fits(peer, scene.profile))
        if False in answers:
            return False
        return None if None in answers else workload

    def _cluster_fits(self, peer: Endpoint, profile: Profile) -> bool | None:
        """A selector that names no cluster means this one, from Cilium 1.19 on (``policy-default-local-cluster``)."""
        if profile.local_cluster_only is False or any(_names_its_reach(term) for term in self.terms):
            return True
        if is_workload(peer, profile) is not False and is_here(peer, profile):
            return True
        return False if profile.local_cluster_only else None

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        peer, profile = scene.peer, scene.profile
        if not is_workload(peer, profile):
            return (not_a_pod(peer, self.path),)
        entities = entities_of(peer, scene.subject, profile)
        wrong = tuple(t.miss(peer) for t in self.terms if t.met_by(peer, entities, profile) is False)
        return self._elsewhere(peer) + self._abroad(peer, profile) + wrong

    def _elsewhere(self, peer: Endpoint) -> tuple[Miss, ...]:
        if not self.namespace or peer.namespace == self.namespace:
            return ()
        why = f"without {POD_NAMESPACE} it looks into namespace {self.namespace} only, {peer} is elsewhere"
        return (Miss(MissKind.NAMESPACE, why, self.path, POD_NAMESPACE, (self.namespace,), peer.namespace),)

    def _abroad(self, peer: Endpoint, profile: Profile) -> tuple[Miss, ...]:
        if self._cluster_fits(peer, profile) is not False:
            return ()
        here = profile.cluster_name
        why = f"without {CLUSTER} it means cluster {here} only (from Cilium 1.19 on), {peer} is in {peer.cluster}"
        return (Miss(MissKind.LABEL, why, self.path, CLUSTER, (here,), peer.cluster),)

    def doubt(self, scene: DirectionContext) -> str:
        if is_workload(scene.peer, scene.profile) is None:
            return f"{scene.peer} is on the host network: whether policies see a pod or a node is not known here"
        if self._cluster_fits(scene.peer, scene.profile) is None:
            return f"whether it reaches {scene.peer} depends on policy-default-local-cluster, on from Cilium 1.19"
        return f"the service account of {scene.peer} is not known"

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"endpoints {self.selector}{where}"


def _names_its_reach(term: Term) -> bool:
    return term.source == "reserved" or term.key == CLUSTER


@dataclass(frozen=True, slots=True)
class Entity:
    """``toEntities``/``fromEntities``."""

    name: str
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        if self.name in scene.peer_entities:
            return True
        asks_for_node = self.name in ("host", "remote-node")
        return None if asks_for_node and node_word_missing(scene) else False

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        got = " ".join(sorted(scene.peer_entities - {"all"})) or "none"
        why = f"it admits the entity {self.name}, {scene.peer} is {got}"
        return (Miss(MissKind.ENTITY, why, self.path, "entity", (self.name,), got),)

    def doubt(self, scene: DirectionContext) -> str:
        return f"whether {scene.peer} is the pod's own node or another one is not known"

    def __str__(self) -> str:
        return f"entity {self.name}"


@dataclass(frozen=True, slots=True)
class FqdnPeer:
    """``toFQDNs``: addresses outside whose names came through the datapath's DNS proxy.

    Source: ``pkg/fqdn/matchpattern`` and ``Documentation/security/policy/language.rst``: ``*`` stays within one DNS
    label, a leading ``**.`` spans several, ``*`` alone is every name. Addresses of pods and nodes never match.
    """

    pattern: str
    exact: bool
    path: str = ""

    def fits(self, scene: DirectionContext) -> bool | None:
        peer = scene.peer
        if peer.is_pod or peer.host_network or "world" not in scene.peer_entities:
            return False
        if not self._names(peer.fqdns):
            return False if peer.fqdns or peer.names_known else None
        return True if peer.names_known else scene.dns_shown

    def _names(self, names: tuple[str, ...]) -> bool:
        if self.pattern in names:  # the datapath's own label for this very selector
            return True
        return any(name_matches(self.pattern, self.exact, name) for name in names)

    def misses(self, scene: DirectionContext) -> tuple[Miss, ...]:
        peer = scene.peer
        if "world" not in scene.peer_entities:
            why = f"names match addresses outside the cluster only, {peer} is inside"
            return (Miss(MissKind.FQDN, why, self.path, "fqdn", (self.pattern,), str(peer)),)
        got = peer.fqdns[0] if peer.fqdns else ""
        if self._names(peer.fqdns):
            why = f"{got} matches {self.pattern}, but no DNS rule shows the pod's answers to the datapath"
            return (Miss(MissKind.FQDN_NOT_SEEN, why, self.path, "fqdn", (self.pattern,), got),)
        why = f"{got or 'the address has no known name and'} does not match {self.pattern}"
        return (Miss(MissKind.FQDN, why, self.path, "fqdn", (self.pattern,), got),)

    def doubt(self, scene: DirectionContext) -> str:
        if self._names(scene.peer.fqdns):
            name = scene.peer.fqdns[0]
            return f"no DNS rule selects the pod; whether {name} is known through another pod cannot be told"
        return f"the names that led to {scene.peer} are not known, so {self.pattern} cannot be compared"

    def __str__(self) -> str:
        return f"name {self.pattern}"


def name_matches(pattern: str, exact: bool, name: str) -> bool:
    """Checks whether a DNS name (with or without the final dot) matches a matchName or matchPattern."""
    wanted, got = (each.strip().lower().rstrip(".") for each in (pattern, name))
    return wanted == got if exact else bool(_regex(wanted).fullmatch(got))


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    letters = "[-a-z0-9_]"
    if pattern == "*":
        return re.compile(rf"(?:{letters}+\.)*{letters}*")
    front, rest = "", pattern
    if pattern.startswith("**."):
        front, rest = rf"(?:{letters}+\.)+", pattern[3:]
    parts = (re.escape(part) for part in rest.split("*"))
    return re.compile(front + rf"{letters}*".join(parts))
