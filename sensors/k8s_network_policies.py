"""Policies that exist, select the pod or are invalid to the CNI itself, and the tools that keep them in sync.

Reads    NetworkPolicies, Cilium, admin and Calico policies, those of a service mesh, Chaos Mesh's experiments with the
         network; and, for the simulator behind it, Pods, Namespaces, Services, EndpointSlices, Nodes, CiliumNodes, CIDR
         groups and the ConfigMap cilium-config. Where the pods of the cluster are too many, those of the namespaces of
         the target, the asked peer and the peers in hubble flows.
Touches  nothing. It does not judge: what a policy means is the simulator's to say.
Blind    when NetworkPolicies cannot be read. Kinds that should be there and are not readable stand in `unreadable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sensors.kit.cluster import Cluster, Environment, Object
from sensors.kit.kinds import (
    ADMIN_NETWORK_POLICY,
    AUTHORIZATION_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CALICO_GLOBAL_NETWORK_POLICY,
    CALICO_NETWORK_POLICY,
    CILIUM_CIDR_GROUP,
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CILIUM_NETWORK_POLICY,
    CILIUM_NODE,
    CLUSTER_NETWORK_POLICY,
    CONFIG_MAP,
    ENDPOINT_SLICE,
    LINKERD_AUTHORIZATION,
    LINKERD_SERVER,
    NAMESPACE,
    NETWORK_CHAOS,
    NETWORK_POLICY,
    NODE,
    PEER_AUTHENTICATION,
    POD,
    SERVICE,
    Kind,
)
from sensors.kit.model import NOT_RECORDED, Absent, Blind, Sensor, Target, TooMany
from sensors.kit.objects import (
    Owner,
    Ref,
    condition_of,
    created_at,
    get,
    items,
    label_selector_matches,
    labels_of,
    managed_by,
    mapping,
    name_of,
    named,
    namespace_of,
    one_line,
    text,
    texts,
)
from sensors.topology.pods_about import pods_about


@dataclass(frozen=True, slots=True)
class ListedPolicy:
    """One policy. `selects` is None where its selector is not ours to understand (Calico's language, odd operators).

    `directions` holds ingress and/or egress as far as the policy speaks of them; `invalid` is the CNI's own complaint;
    `owner` whoever will undo a change made in the cluster.
    """

    kind: str
    namespace: str
    name: str
    selects: bool | None
    directions: tuple[str, ...]
    created: datetime | None = None
    owner: Owner | None = None
    invalid: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of the cluster as references; `objects` holds everything raw, for the simulator.

    `counts` by kind, 0 = read and there are none; a kind that is neither in `counts` nor in `unreadable` is not
    installed. `unreadable` maps a kind to the reason, also where a part of it was read: with one of those, no allow or
    deny is certain, and no change is applied by itself. `pods_of`: the namespaces whose pods were read, where those of
    all are too many.
    """

    policies: tuple[ListedPolicy, ...]
    counts: Mapping[str, int]
    unreadable: Mapping[str, str]
    objects: tuple[Mapping[str, Any], ...] = field(repr=False, metadata={"report": False})
    pods_of: tuple[str, ...] = field(default=(), metadata={"report": False})

    @property
    def coverage(self) -> float:
        """Share of the request that could be read, from 0 to 1."""
        return SOME_PODS_COVERAGE if self.pods_of else 1.0

    @property
    def unread(self) -> tuple[str, ...]:
        """Kinds of which nothing was read that should have been."""
        return tuple(sorted(each for each in self.unreadable if not (self.pods_of and each == POD.name)))

    @property
    def selecting(self) -> tuple[ListedPolicy, ...]:
        """Those that select the pod for certain."""
        return tuple(each for each in self.policies if each.selects)

    def summary(self) -> str:
        parts = [self._count()]
        parts += [f"{each.ref} is invalid: {each.invalid}" for each in self.policies if each.invalid]
        parts += [f"pods read in {', '.join(self.pods_of)} only: all are too many"] if self.pods_of else []
        parts += [f"not readable: {', '.join(self.unread)}"] if self.unread else []
        return "; ".join(parts)

    def _count(self) -> str:
        """Number of policies and those that select the pod; where none does, all of them: one may select the peer."""
        count, those = len(self.policies), self.selecting
        some = "1 policy" if count == 1 else f"{count} policies"
        if those:
            return f"{some}, {len(those)} {'selects' if len(those) == 1 else 'select'} the pod: {_names(those)}"
        unknown = tuple(each for each in self.policies if each.selects is None)
        which = f"of which {len(unknown)} may select the pod" if unknown else "none of which selects the pod"
        return f"{some}, {which}: {_names(unknown or self.policies)}" if count else "no policies"


def _names(refs: Sequence[ListedPolicy]) -> str:
    more = f" and {len(refs) - 4} more" if len(refs) > 4 else ""
    return ", ".join(str(each.ref) for each in refs[:4]) + more


POLICY_KINDS = (
    NETWORK_POLICY,
    CILIUM_NETWORK_POLICY,
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CALICO_NETWORK_POLICY,
    CALICO_GLOBAL_NETWORK_POLICY,
)
OWN_KINDS = {
    "cilium": frozenset({CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY}),
    "calico": frozenset({CALICO_NETWORK_POLICY, CALICO_GLOBAL_NETWORK_POLICY}),
}
"""Kinds that a CNI always installs: not to see them is blindness, not absence."""

SOME_PODS_COVERAGE = 0.9
"""What the pods of some namespaces are worth: the question's own are there, and who else a policy concerns is not."""

SOME_PODS_UNTIL_S = 6.5
"""Seconds after the look began by which the pods of the question must be known: the policies themselves must still be
told before the look is ended."""

WORLD_KINDS = (POD, NAMESPACE, SERVICE, ENDPOINT_SLICE, NODE)
CILIUM_WORLD_KINDS = (CILIUM_NODE, CILIUM_CIDR_GROUP)
MESH_KINDS = (PEER_AUTHENTICATION, AUTHORIZATION_POLICY, LINKERD_SERVER, LINKERD_AUTHORIZATION)
"""What a service mesh asks of connections on top; no policy of the network."""
CHAOS_KINDS = (NETWORK_CHAOS,)
"""Experiments that spoil connections on purpose; no policy either."""


async def look(target: Target, cluster: Cluster) -> Policies:
    """All policies and what a simulator needs to work out their meaning."""
    until = asyncio.get_running_loop().time() + SOME_PODS_UNTIL_S
    await cluster.objects(NETWORK_POLICY)  # without them there is nothing to say: let its Blind fly
    environment = await cluster.environment()
    kinds = (*POLICY_KINDS, *WORLD_KINDS, *CILIUM_WORLD_KINDS, *MESH_KINDS, *CHAOS_KINDS, CONFIG_MAP)
    readings = await asyncio.gather(*(_read(target, cluster, each, environment, until) for each in kinds))
    return policies_seen(target, dict(zip(kinds, readings, strict=True)))


PolicyReading = tuple[tuple[Object, ...] | None, str]
"""Objects of one kind; or None and why they are unreadable; or None and no reason: the kind is not installed. Objects
with a reason are a part of them: what is judged of that part holds, and what is not in it is not known."""


async def _read(target: Target, cluster: Cluster, kind: Kind, environment: Environment, until: float) -> PolicyReading:
    try:
        return await cluster.objects(kind), ""
    except Absent:
        return None, ""
    except TooMany as why:
        return await _some_pods(target, cluster, str(why), until) if kind is POD else (None, str(why))
    except Blind as why:
        return None, str(why) if _should_exist(kind, environment) or NOT_RECORDED not in str(why) else ""


async def _some_pods(target: Target, cluster: Cluster, why: str, until: float) -> PolicyReading:
    """The pods that the question is about, where all are too many; none where that takes too long."""
    try:
        async with asyncio.timeout_at(until):
            pods, spaces = await pods_about(target, cluster)
    except TimeoutError:
        return None, why
    return (pods, f"{why}; read were those of {', '.join(spaces)}") if spaces else (None, why)


def _should_exist(kind: Kind, environment: Environment) -> bool:
    return kind in WORLD_KINDS or kind in OWN_KINDS.get(environment.cni or "", frozenset())


def policies_seen(target: Target, readings: Mapping[Kind, PolicyReading]) -> Policies:
    """References to every policy, and everything raw."""
    found = {kind: objects for kind, (objects, _) in readings.items() if objects is not None}
    subject = _subject(target, found)
    refs = (_reference(each, kind, subject) for kind in POLICY_KINDS for each in found.get(kind, ()))
    return Policies(
        policies=tuple(sorted(refs, key=lambda each: (each.kind, each.namespace, each.name))),
        counts={_label(kind): len(found[kind]) for kind in POLICY_KINDS if kind in found},
        unreadable={_label(kind): why for kind, (_, why) in readings.items() if why},
        objects=tuple(each for kind, objects in found.items() for each in objects if _concerns(kind, each)),
        pods_of=tuple(sorted(set(map(namespace_of, found.get(POD, ()))))) if readings.get(POD, (None, ""))[1] else (),
    )


def _label(kind: Kind) -> str:
    """The kind's name; Calico's NetworkPolicy shares its name with the standard one."""
    return f"Calico {kind.name}" if kind is CALICO_NETWORK_POLICY else kind.name


def _concerns(kind: Kind, thing: Object) -> bool:
    """Of ConfigMaps only Cilium's settings concern a simulator; others may hold what is nobody's business."""
    return kind is not CONFIG_MAP or name_of(thing) == "cilium-config"


def _reference(policy: Object, kind: Kind, subject: SelectorSubject | None) -> ListedPolicy:
    invalid = condition_of(policy, "Valid")
    return ListedPolicy(
        kind=_label(kind),
        namespace=namespace_of(policy) if kind.namespaced else "",
        name=name_of(policy),
        selects=None if subject is None else policy_selects(policy, kind, subject),
        directions=directions_of(policy, kind),
        created=created_at(policy),
        owner=managed_by(policy),
        invalid=one_line(invalid.message or "Valid=False") if invalid and invalid.status == "False" else "",
    )


# -- whom a policy selects ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SelectorSubject:
    """The pod as selectors see it; `namespace_labels` is None where namespaces could not be read."""

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str] | None
    service_account: str
    host_network: bool


def _subject(target: Target, found: Mapping[Kind, tuple[Object, ...]]) -> SelectorSubject | None:
    pod = named(found.get(POD, ()), target.pod, target.namespace)
    if pod is None:
        return None
    namespace = named(found.get(NAMESPACE, ()), target.namespace)
    return SelectorSubject(
        namespace=target.namespace,
        labels=labels_of(pod),
        namespace_labels=None if namespace is None else labels_of(namespace),
        service_account=text(pod, "spec", "serviceAccountName"),
        host_network=get(pod, "spec", "hostNetwork") is True,
    )


def policy_selects(policy: Object, kind: Kind, subject: SelectorSubject) -> bool | None:
    """True if a policy selects the pod; None where it cannot be told. No policy selects a pod on the host network."""
    if subject.host_network or (kind.namespaced and namespace_of(policy) != subject.namespace):
        return False
    if kind is NETWORK_POLICY:
        return label_selector_matches(get(policy, "spec", "podSelector") or {}, subject.labels)
    if kind in (CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY):
        return _any_of(_cilium_selects(rule, kind, subject) for rule in _cilium_rules(policy))
    if kind in (CLUSTER_NETWORK_POLICY, ADMIN_NETWORK_POLICY, BASELINE_ADMIN_NETWORK_POLICY):
        return _admin_selects(mapping(policy, "spec", "subject"), subject)
    return True if text(policy, "spec", "selector").strip() in ("", "all()") else None


def _any_of(verdicts: Iterable[bool | None]) -> bool | None:
    seen = set(verdicts)
    return True if True in seen else None if None in seen else False


def _cilium_rules(policy: Object) -> tuple[Mapping[str, Any], ...]:
    """The rule of `spec` and those of `specs`."""
    return (*([mapping(policy, "spec")] if mapping(policy, "spec") else []), *items(policy, "specs"))


def _cilium_selects(rule: Mapping[str, Any], kind: Kind, subject: SelectorSubject) -> bool | None:
    """An endpointSelector over Cilium's own labels; a rule with a nodeSelector is about nodes."""
    if "endpointSelector" not in rule:
        return False if "nodeSelector" in rule else None
    labels = _cilium_labels(subject)
    selector = _without_sources(rule["endpointSelector"])
    if subject.namespace_labels is None and _asks_namespace_labels(selector):
        return None
    return label_selector_matches(selector, labels)


CILIUM_NAMESPACE = "io.kubernetes.pod.namespace"
CILIUM_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."


def _cilium_labels(subject: SelectorSubject) -> dict[str, str]:
    """Labels that Cilium's selectors match: the pod's, its namespace and its labels, the ServiceAccount."""
    named_space = {f"{CILIUM_NAMESPACE_LABELS}{key}": value for key, value in (subject.namespace_labels or {}).items()}
    own = {CILIUM_NAMESPACE: subject.namespace, "io.cilium.k8s.policy.serviceaccount": subject.service_account}
    return {**subject.labels, **named_space, **own}


def _without_sources(selector: Any) -> Any:
    """`k8s:app` and `any:app` ask for the label `app`; other sources (`reserved:`) stay and match no pod label."""
    if not isinstance(selector, Mapping):
        return {} if selector is None else selector
    expressions = [{**each, "key": _key(text(each, "key"))} for each in items(selector, "matchExpressions")]
    wanted = {_key(key): value for key, value in mapping(selector, "matchLabels").items() if isinstance(key, str)}
    return {"matchLabels": wanted, "matchExpressions": expressions}


def _key(key: str) -> str:
    source, colon, rest = key.partition(":")
    return rest if colon and source in ("k8s", "any") else key


def _asks_namespace_labels(selector: Any) -> bool:
    keys = [*mapping(selector, "matchLabels"), *(text(each, "key") for each in items(selector, "matchExpressions"))]
    return any(key.startswith(CILIUM_NAMESPACE_LABELS) for key in keys)


def _admin_selects(chosen: Mapping[str, Any], subject: SelectorSubject) -> bool | None:
    """`subject.namespaces` (a selector) or `subject.pods` (namespaceSelector and podSelector)."""
    if subject.namespace_labels is None:
        return None
    if "namespaces" in chosen:
        return label_selector_matches(chosen["namespaces"], subject.namespace_labels)
    if "pods" not in chosen:
        return None
    space = label_selector_matches(get(chosen, "pods", "namespaceSelector"), subject.namespace_labels)
    pods = label_selector_matches(get(chosen, "pods", "podSelector"), subject.labels)
    return False if False in (space, pods) else None if None in (space, pods) else True


# -- which way a policy speaks -----------------------------------------------------------------------------------------


def directions_of(policy: Object, kind: Kind) -> tuple[str, ...]:
    """The directions a policy speaks of. Without policyTypes: ingress, and egress where it has rules."""
    if kind in (CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY):
        keys = {key for rule in _cilium_rules(policy) for key in rule}
        return tuple(way for way in ("ingress", "egress") if {way, f"{way}Deny"} & keys)
    said = {each.lower() for each in (*texts(policy, "spec", "policyTypes"), *texts(policy, "spec", "types"))}
    if said:
        return tuple(way for way in ("ingress", "egress") if way in said)
    written = {way for way in ("ingress", "egress") if items(policy, "spec", way)}
    default = {"ingress"} if kind is NETWORK_POLICY else set()
    return tuple(way for way in ("ingress", "egress") if way in written | default)


SENSOR = Sensor(
    id="k8s.network_policies", look=look, gives=Policies, within=8.0, layers=("policy",), weight=2.0, needs_pod=False
)
