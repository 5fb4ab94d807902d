"""Finds the pod that an alert means, checked against the living cluster: one pod with the reason, or why none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bot.clusters.target import WORKLOAD_KINDS, Listing, NoSuchPod, failing_first, read_listing, resolve_among
from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.alert_labels import is_exporter, names_who_measured
from sensors.kit import Cluster, Target
from sensors.kit.addresses import Address, as_ip
from sensors.kit.cluster import Object
from sensors.kit.kinds import INGRESS, SERVICE, Kind
from sensors.kit.objects import (
    items,
    label_of,
    labels_of,
    name_of,
    named,
    namespace_of,
    pod_is_ready,
    selects,
    string_map,
    text,
)
from sensors.kit.reading import read_kinds

MOST_CANDIDATES = 20
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_PROBERS = ("prometheus-blackbox-exporter", "blackbox-exporter", "blackbox_exporter")


@dataclass(frozen=True)
class ClusterReadings:
    """The cluster as it was read once for all alerts that came together. `unread`: why a kind was not."""

    listing: Listing
    services: tuple[Object, ...] = ()
    ingresses: tuple[Object, ...] = ()
    unread: Mapping[Kind, str] = field(default_factory=dict)

    @cached_property
    def probers(self) -> Sequence[Object]:
        return failing_first(each for each in self.listing.pods if _probes(each))

    @cached_property
    def nodes(self) -> Mapping[Address | None, str]:
        """Names of nodes by their address, which every pod's status has."""
        return {as_ip(_host_ip(pods)): node for node, pods in self.listing.by_node.items() if node}


@dataclass(frozen=True, slots=True)
class ChosenTarget:
    """The pod to look at. `why` says how it was chosen where the alert left a choice; `ready` is None where unsaid."""

    target: Target
    why: str = ""
    ready: bool | None = None


@dataclass(frozen=True, slots=True)
class UnclearTarget:
    """No single pod is meant. `candidates` (namespace, name) are those a person can choose from.

    `is_unread`: the cluster, or a kind of what the alert names, was not read: nothing is known of it.
    """

    why: str
    candidates: tuple[tuple[str, str], ...] = ()
    is_unread: bool = False


async def read_scene(cluster: Cluster) -> ClusterReadings:
    """Raises `Blind` when pods cannot be read; Services and Ingresses may be missing."""
    listing = await read_listing(cluster)
    others = await read_kinds(cluster, SERVICE, INGRESS)
    return ClusterReadings(listing, others.of(SERVICE), others.of(INGRESS), others.unread)


def who(alert: Alert, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    """The first thing the alert names that leads to a pod; else the most useful reason."""
    said = [_found(each, alert, scene) for each in alert.meant]
    chosen = next((each for each in said if isinstance(each, ChosenTarget)), None)
    unclear = [each for each in said if isinstance(each, UnclearTarget)]
    if chosen is not None:
        return _with_peer(chosen if chosen is said[0] else _instead(chosen, alert.meant[0], unclear[0]), alert)
    if not unclear:
        return UnclearTarget("the alert names no pod, workload, Service or node")
    said_first = next((each for each in unclear if each.candidates), unclear[0])
    return replace(said_first, is_unread=any(each.is_unread for each in unclear))


def _instead(chosen: ChosenTarget, first: AlertSubject, unclear: UnclearTarget) -> ChosenTarget:
    """Chosen by what comes second in an alert, since what comes first is not there: both are said."""
    if first.kind is SubjectKind.INGRESS and not first.namespace:  # a host may be that of an Ingress or of a node
        return chosen
    return replace(chosen, why=f"{unclear.why}; {chosen.why or f'{chosen.target} is named, too'}")


def named_target(alert: Alert) -> Target | None:
    """The pod or workload as the alert names it, unchecked: for a person who wants it looked into nevertheless."""
    first = next(
        (each for each in alert.meant if each.kind in (SubjectKind.POD, SubjectKind.WORKLOAD) and each.namespace), None
    )
    return None if first is None else _with_peer(ChosenTarget(Target(first.name, first.namespace)), alert).target


def _with_peer(chosen: ChosenTarget, alert: Alert) -> ChosenTarget:
    it, peer = chosen.target, alert.peer
    if peer is None:
        return chosen
    return replace(chosen, target=Target(it.pod, it.namespace, peer.host, peer.port, peer.protocol))


def _found(meant: AlertSubject, alert: Alert, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    match meant.kind:
        case SubjectKind.POD:
            return _pod(meant, scene)
        case SubjectKind.WORKLOAD:
            return _workload(meant, scene)
        case SubjectKind.SERVICE:
            return _service(meant.name, meant.namespace, scene)
        case SubjectKind.INGRESS:
            return _ingress(meant, scene)
        case SubjectKind.NODE:
            return _node(meant.name, scene)
        case SubjectKind.PROBE:
            return _pod(meant, scene) if meant.name and meant.namespace else _prober(scene)
        case SubjectKind.WORDS:
            return _by_words(alert, scene)


def _pod(meant: AlertSubject, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    pod = _named(meant.name, meant.namespace, scene)
    if pod is not None:
        return _chosen(pod)
    gone = f"pod {meant.namespace}/{meant.name} is not there any more"
    successors = _successors(meant, scene)
    if not successors:
        return UnclearTarget(gone)
    return _chosen(successors[0], f"{gone}; {name_of(successors[0])} is a pod of the same workload{_state(successors)}")


def _named(name: str, namespace: str, scene: ClusterReadings) -> Object | None:
    return named(scene.listing.by_name.get(name, ()), name, namespace)


def _successors(meant: AlertSubject, scene: ClusterReadings) -> list[Object]:
    """Pods that took its place: a Deployment names its pods NAME-HASH-XXXXX, a DaemonSet NAME-XXXXX."""
    stem, dash, _ = meant.name.rpartition("-")
    if not dash:
        return []
    here = scene.listing.by_namespace.get(meant.namespace, ())
    alike = [each for each in here if name_of(each).rpartition("-")[0] == stem]
    owners = {str(scene.listing.workload(each)) for each in alike}
    return failing_first(alike) if len(owners) == 1 and "None" not in owners else []


def _workload(meant: AlertSubject, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    kind, slash, name = meant.name.rpartition("/")
    if not (slash and meant.namespace):
        return _by_workload_name(kind, name, meant.namespace, scene)
    try:
        found = resolve_among(scene.listing, meant.name, meant.namespace)
    except NoSuchPod as why:
        return UnclearTarget(str(why))
    pod = _named(found.target.pod, found.target.namespace, scene)
    return ChosenTarget(found.target, found.note, None if pod is None else pod_is_ready(pod))


def _by_workload_name(kind: str, name: str, namespace: str, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    """A workload whose kind or namespace the alert does not say, or a pod of that name."""
    if namespace and (pod := _named(name, namespace, scene)) is not None:
        return _chosen(pod)
    found = [each for each in scene.listing.owned(name, namespace) if _is_of_kind(each, kind, name, scene)]
    if not found:
        where = f" in namespace {namespace}" if namespace else ""
        return UnclearTarget(f"no pod of the workload {name} is to be seen{where}")
    one_of_each = {
        (namespace_of(each), str(scene.listing.workload(each))): each for each in reversed(failing_first(found))
    }
    if len(one_of_each) > 1:
        what = f"there are {len(one_of_each)} workloads of the name {name}, and the alert does not say which"
        return UnclearTarget(what, _names(failing_first(one_of_each.values())))
    return _several(found, scene)


def _is_of_kind(pod: Object, kind: str, name: str, scene: ClusterReadings) -> bool:
    owner = scene.listing.workload(pod)
    return owner is not None and owner.name == name and WORKLOAD_KINDS.get(kind, owner.kind) == owner.kind


def _service(name: str, namespace: str, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    service = named(scene.services, name, namespace)
    if service is None:
        return _unseen(SERVICE, f"Service {namespace}/{name}", scene)
    selector = string_map(service, "spec", "selector")
    here = scene.listing.by_namespace.get(namespace, ())
    pods = failing_first(each for each in here if selector and selects(selector, labels_of(each)))
    if not pods:
        return UnclearTarget(f"Service {namespace}/{name} selects no pod")
    return _chosen(pods[0], _one_of(pods, f"the pods of Service {namespace}/{name}"))


def _ingress(meant: AlertSubject, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    by_name = [named(scene.ingresses, meant.name, meant.namespace)] if meant.namespace else []
    found = [each for each in by_name or _of_host(meant.name, scene) if each is not None]
    if not found:
        what = f"Ingress {meant.namespace}/{meant.name}" if meant.namespace else f"Ingress for the host {meant.name}"
        return _unseen(INGRESS, what, scene)
    host = "" if meant.namespace else meant.name
    backends = sorted({(namespace_of(each), name) for each in found for name in _backends(each, host)})
    if len(backends) == 1:
        return _service(backends[0][1], backends[0][0], scene)
    behind = [_service(name, namespace, scene) for namespace, name in backends]
    chosen = [each for each in behind if isinstance(each, ChosenTarget)]
    pods = tuple(dict.fromkeys((each.target.namespace, each.target.pod) for each in chosen))[:MOST_CANDIDATES]
    what = f"of the host {host}" if host else f"{meant.namespace}/{meant.name}"
    is_unread = any(each.is_unread for each in behind if isinstance(each, UnclearTarget))
    return UnclearTarget(f"Ingress {what} has {len(backends)} Services behind it", pods, is_unread)


def _unseen(kind: Kind, what: str, scene: ClusterReadings) -> UnclearTarget:
    why = scene.unread.get(kind)
    if why is None:
        return UnclearTarget(f"no {what} is to be seen")
    return UnclearTarget(f"{what} could not be read: {why}", is_unread=True)


def _of_host(host: str, scene: ClusterReadings) -> list[Object]:
    return [each for each in scene.ingresses if _rules(each, host)]


def _rules(ingress: Object, host: str) -> list[Object]:
    """All rules, or those for one host."""
    return [each for each in items(ingress, "spec", "rules") if not host or text(each, "host") == host.lower()]


def _backends(ingress: Object, host: str) -> set[str]:
    paths = [path for rule in _rules(ingress, host) for path in items(rule, "http", "paths")]
    named_ = {text(each, "backend", "service", "name") for each in paths}
    return {each for each in (*named_, text(ingress, "spec", "defaultBackend", "service", "name")) if each}


def _node(name: str, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    """The node by its name, or by its address, which is what an exporter's `instance` has."""
    if name not in scene.listing.by_node and (address := as_ip(name)) is not None:
        name = scene.nodes.get(address, name)
    there = failing_first(scene.listing.by_node.get(name, ()))
    if not there:
        return UnclearTarget(f"no pod runs on node {name}")
    if pod_is_ready(there[0]) is True:
        are_ready = "its only pod is ready" if len(there) == 1 else f"all {len(there)} are ready"
        return UnclearTarget(f"no pod on node {name} fails: {are_ready}", _names(there))
    return _chosen(there[0], _one_of(there, f"the pods on node {name}"))


def _host_ip(pods: Sequence[Object]) -> str:
    """Address of the node on which they run; the status of a pod that waits has none."""
    return next((said for each in pods if (said := text(each, "status", "hostIP"))), "")


def _prober(scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    """The blackbox exporter, where the alert does not say which pod probes."""
    found = scene.probers
    owners = {str(scene.listing.workload(each)) for each in found}
    if len(owners) == 1:
        return _chosen(found[0], _one_of(found, "the pods that probe (blackbox exporter)"))
    return UnclearTarget("the alert does not say which pod probes", _names(found))


def _probes(pod: Object) -> bool:
    images = " ".join(text(each, "image") for each in items(pod, "spec", "containers"))
    return label_of(pod, "app.kubernetes.io/name") in _PROBERS or any(each in images for each in _PROBERS)


def _by_words(alert: Alert, scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    """Names without labels count only where such a pod, or such a workload in a named namespace, exists."""
    labels, measuring = alert.labels, names_who_measured(alert.labels)
    own = _names_in(said for label, said in labels.items() if label not in measuring)
    others = _names_in(labels.get(each, "").rpartition("/")[2] for each in measuring)
    names = own | (_names_in((alert.words, alert.title)) - others)
    pods = [each for name in sorted(names) for each in scene.listing.by_name.get(name, ())]
    meant = [each for each in pods if not is_exporter(name_of(each), labels, names)]
    if len(meant) > 1:
        meant = [each for each in meant if namespace_of(each) in names] or meant
    if len(meant) == 1:
        return _chosen(meant[0])
    if meant:
        return _several(meant, scene)
    places = [(space, name) for space in sorted(names & scene.listing.by_namespace.keys()) for name in sorted(names)]
    owned = (each for space, name in places for each in scene.listing.owned(name, space) if _owner(each, scene) == name)
    if near := [each for each in owned if not is_exporter(name_of(each), labels, names)]:
        return _several(near, scene)
    nodes = names & scene.listing.by_node.keys()
    if len(nodes) == 1 and "node" in alert.name.lower():
        return _node(nodes.pop(), scene)
    if pods:
        return UnclearTarget("the alert names only the exporter that measured it", _names(pods))
    return UnclearTarget("the alert names no pod or workload that exists")


def _names_in(texts: Iterable[str]) -> set[str]:
    return {found for each in texts for found in _NAME.findall(each)}


def _several(pods: Sequence[Object], scene: ClusterReadings) -> ChosenTarget | UnclearTarget:
    owners = {(namespace_of(each), _owner(each, scene)) for each in pods}
    ordered = failing_first(pods)
    _, owner = next(iter(owners))
    if len(owners) == 1 and owner:
        if not ordered:
            return UnclearTarget(f"no pod of the workload {owner} runs any more")
        return _chosen(ordered[0], _one_of(ordered, f"the pods of {owner}"))
    return UnclearTarget(f"the alert names {len(pods)} pods", _names(ordered))


def _owner(pod: Object, scene: ClusterReadings) -> str:
    owner = scene.listing.workload(pod)
    return "" if owner is None else owner.name


def _chosen(pod: Object, why: str = "") -> ChosenTarget:
    return ChosenTarget(Target(name_of(pod), namespace_of(pod)), why, pod_is_ready(pod))


def _one_of(pods: Sequence[Object], what: str) -> str:
    if len(pods) == 1:
        return f"{name_of(pods[0])} is the only one of {what}"
    return f"{name_of(pods[0])} is one of {len(pods)} of {what}{_state(pods)}"


def _state(pods: Sequence[Object]) -> str:
    if pod_is_ready(pods[0]) is not True:
        return ": it is not ready"
    return ": it is ready" if len(pods) == 1 else ": the newest, all are ready"


def _names(pods: Iterable[Object]) -> tuple[tuple[str, str], ...]:
    return tuple((namespace_of(each), name_of(each)) for each in pods)[:MOST_CANDIDATES]


__all__ = ["ChosenTarget", "ClusterReadings", "UnclearTarget", "read_scene", "who"]
