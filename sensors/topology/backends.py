"""Finds the pods behind a Service's selector: which it picks, why they are not ready, and which it just misses.

Pure. What many Services of a namespace ask of the same pods is worked out once (`scene_of`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TypeVar

from sensors.kit.cluster import Object
from sensors.kit.events import EventFact, fold_events
from sensors.kit.kinds import ENDPOINT_SLICE, EVENT, NODE, POD, REPLICA_SET
from sensors.kit.objects import (
    Ref,
    condition_of,
    conditions_of,
    controller_of,
    get,
    items,
    labels_of,
    name_of,
    namespace_of,
    number,
    one_line,
    pod_is_over,
    pod_is_ready,
    selects,
    text,
    workload_of,
)
from sensors.kit.reading import Kinds
from sensors.topology.peer import pod_addresses, ref_of_pod, slice_owner


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service as written; `target_port` is a number, a container port's name, or None (same as `port`)."""

    name: str
    protocol: str
    port: int
    target_port: int | str | None
    node_port: int | None
    app_protocol: str


@dataclass(frozen=True, slots=True)
class BackendPod:
    """A pod that the selector matches. `why` says in the cluster's words why it is not ready (empty when ready).

    `declared` are its container ports (name, port, protocol); `targets` what each Service port (by name) becomes on
    this pod, None where the pod has no container port of that name; `node_lost`: its node is not ready.
    """

    pod: str
    ready: bool
    node: str
    ips: tuple[str, ...]
    phase: str
    why: str
    workload: Ref | None
    declared: tuple[tuple[str, int, str], ...]
    targets: tuple[tuple[str, int | None], ...]
    node_lost: bool = False


@dataclass(frozen=True, slots=True)
class LabelMiss:
    """A workload whose pods a selector just misses.

    `key` is the label that differs, `wanted` what the selector asks, `found` what the pods have (None = no such
    label); `differing` how many keys of the selector differ in all; `of` how many keys it has; `has_port`: its pods
    declare the port that the Service sends to.
    """

    workload: Ref | None
    pods: int
    key: str
    wanted: str
    found: str | None
    differing: int
    of: int = 1
    has_port: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A living pod, with what many Services ask of it worked out once."""

    pod: Object
    labels: Mapping[str, str]
    workload: Ref | None


@dataclass(frozen=True, slots=True)
class ServiceSurroundings:
    """Objects around the Services, indexed once: a namespace may hold hundreds of Services, thousands of pods."""

    kinds: Kinds
    events: Mapping[Ref, tuple[EventFact, ...]]
    candidates: Mapping[str, tuple[Candidate, ...]]
    by_label: Mapping[tuple[str, str, str], tuple[Candidate, ...]]
    slices: Mapping[tuple[str, str], tuple[Object, ...]]

    def unowned_slices(self, namespace: str, services: frozenset[str]) -> tuple[str, ...]:
        """The Services that EndpointSlices of a namespace name, and that are not there."""
        return tuple(sorted(name for space, name in self.slices if space == namespace and name not in services))


def scene_of(kinds: Kinds, namespaces: frozenset[str]) -> ServiceSurroundings:
    """Index what was read, as far as pods of these namespaces are concerned."""
    sets = _grouped(kinds.of(REPLICA_SET), lambda each: (namespace_of(each), name_of(each)))
    alive = (each for each in kinds.of(POD) if namespace_of(each) in namespaces and not pod_is_over(each))
    candidates = tuple(Candidate(each, labels_of(each), _workload(each, sets)) for each in alive)
    labelled = ((namespace_of(each.pod), *label, each) for each in candidates for label in each.labels.items())
    return ServiceSurroundings(
        kinds=kinds,
        events=_grouped(fold_events(kinds.of(EVENT)), lambda each: each.about),
        candidates=_grouped(candidates, lambda each: namespace_of(each.pod)),
        by_label={label: tuple(each[3] for each in group) for label, group in _grouped(labelled, _label).items()},
        slices=_grouped(kinds.of(ENDPOINT_SLICE), slice_owner),
    )


def _label(labelled: tuple[str, str, str, Candidate]) -> tuple[str, str, str]:
    return labelled[:3]


def matching(selector: Mapping[str, str], namespace: str, scene: ServiceSurroundings) -> list[Candidate]:
    """The pods that a selector picks, looked up by its first label."""
    first = next(iter(selector.items()), ("", ""))
    return [each for each in scene.by_label.get((namespace, *first), ()) if selects(selector, each.labels)]


def _workload(pod: Object, sets: Mapping[tuple[str, str], tuple[Object, ...]]) -> Ref | None:
    owner = controller_of(pod)
    return workload_of(pod, sets.get((owner.namespace, owner.name), ()) if owner else ())


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def _grouped(values: Iterable[Value], key: Callable[[Value], Key]) -> dict[Key, tuple[Value, ...]]:
    groups: dict[Key, list[Value]] = {}
    for each in values:
        groups.setdefault(key(each), []).append(each)
    return {name: tuple(group) for name, group in groups.items()}


# -- the pods behind it ------------------------------------------------------------------------------------------------


def backend(candidate: Candidate, ports: tuple[ServicePort, ...], scene: ServiceSurroundings) -> BackendPod:
    """One pod behind a Service with these ports."""
    pod = candidate.pod
    ready, declared = pod_is_ready(pod) is True, _declared(pod)
    events = scene.events.get(ref_of_pod(pod), ())
    return BackendPod(
        pod=name_of(pod),
        ready=ready,
        node=text(pod, "spec", "nodeName"),
        ips=pod_addresses(pod),
        phase=text(pod, "status", "phase"),
        why="" if ready else why_not_ready(pod, scene.kinds.of(NODE), events),
        workload=candidate.workload,
        declared=declared,
        targets=tuple((each.name, _target(each, declared)) for each in ports),
        node_lost=bool(_lost_node(pod, scene.kinds.of(NODE))),
    )


def _declared(pod: Object) -> tuple[tuple[str, int, str], ...]:
    containers = (*items(pod, "spec", "containers"), *items(pod, "spec", "initContainers"))
    return tuple(
        (text(each, "name"), port, text(each, "protocol") or "TCP")
        for container in containers
        for each in items(container, "ports")
        if (port := number(each, "containerPort")) is not None
    )


def _target(port: ServicePort, declared: tuple[tuple[str, int, str], ...]) -> int | None:
    """Port of a pod for a Service port: a name is looked up among the pod's ports of the same protocol."""
    if not isinstance(port.target_port, str):
        return port.target_port or port.port
    fits = (n for name, n, protocol in declared if (name, protocol) == (port.target_port, port.protocol))
    return next(fits, None)


def why_not_ready(pod: Object, nodes: Iterable[Object], events: Iterable[EventFact]) -> str:
    """The most telling reason for a pod that is not ready, in the cluster's own words; `events` are the pod's."""
    reasons = (_leaving(pod), _unscheduled(pod), _lost_node(pod, nodes), _waiting(pod), _said(events), _gates(pod))
    return next((one_line(each) for each in reasons if each), "no reason given")


def _leaving(pod: Object) -> str:
    return "it is being deleted" if get(pod, "metadata", "deletionTimestamp") else ""


def _unscheduled(pod: Object) -> str:
    scheduled = condition_of(pod, "PodScheduled")
    unscheduled = scheduled is not None and scheduled.status == "False"
    return f"not scheduled: {scheduled.message or scheduled.reason}" if scheduled and unscheduled else ""


def _lost_node(pod: Object, nodes: Iterable[Object]) -> str:
    node = next((each for each in nodes if name_of(each) == text(pod, "spec", "nodeName")), None)
    ready = condition_of(node, "Ready") if node else None
    if ready is None or ready.status == "True":
        return ""
    return f"its node {name_of(node or {})} is not ready ({ready.reason or ready.status})"


def _waiting(pod: Object) -> str:
    for each in (*items(pod, "status", "initContainerStatuses"), *items(pod, "status", "containerStatuses")):
        if reason := text(each, "state", "waiting", "reason"):
            last = text(each, "lastState", "terminated", "reason")
            message = text(each, "state", "waiting", "message")
            return ", ".join(part for part in (reason, message, f"last ended {last}" if last else "") if part)
    return ""


def _said(events: Iterable[EventFact]) -> str:
    """The newest warning; events come warnings first, newest first."""
    warnings = (each for each in events if each.type == "Warning" and each.reason != "DNSConfigForming")
    return next((each.message for each in warnings), "")


def _gates(pod: Object) -> str:
    failing = [each for each in conditions_of(pod) if each.status != "True" and each.type not in ("PodScheduled",)]
    by_type = sorted(failing, key=lambda each: each.type in ("Ready", "ContainersReady"))
    return f"{by_type[0].type}: {by_type[0].message or by_type[0].reason or by_type[0].status}" if by_type else ""


# -- a selector that matches nothing -----------------------------------------------------------------------------------


def near_misses(
    selector: Mapping[str, str], pods: Iterable[Candidate], ports: Iterable[ServicePort] = (), limit: int = 3
) -> tuple[LabelMiss, ...]:
    """The workloads whose pods come closest to a selector that matches none, nearest first."""
    listed, aims = tuple(pods), tuple(ports)
    counted = Counter((each.workload, *_miss(selector, each.labels)) for each in listed)
    serving = {each.workload for each in listed if _has_a_port(each, aims)}
    misses = (
        LabelMiss(workload, count, key, selector[key], found, differing, len(selector), workload in serving)
        for (workload, key, found, differing), count in counted.items()
    )
    return tuple(sorted(misses, key=_distance)[:limit])


def _has_a_port(candidate: Candidate, ports: tuple[ServicePort, ...]) -> bool:
    """Checks whether a pod declares a port that the Service sends to."""
    declared = _declared(candidate.pod)
    numbers = {(number, protocol) for _, number, protocol in declared}
    return any((_target(each, declared), each.protocol) in numbers for each in ports)


def _miss(selector: Mapping[str, str], labels: Mapping[str, str]) -> tuple[str, str | None, int]:
    """The label that differs least, what the pod has there, and how many differ."""
    differing = sorted(key for key, value in selector.items() if labels.get(key) != value)
    key = min(differing, key=lambda each: _unlike(selector[each], labels.get(each)))
    return key, labels.get(key), len(differing)


def _distance(miss: LabelMiss) -> tuple[int, float, str]:
    return miss.differing, _unlike(miss.wanted, miss.found), str(miss.workload)


@lru_cache(maxsize=4096)
def _unlike(wanted: str, found: str | None) -> float:
    """0 for equal words, 1 for words without a letter in common, 2 for a label that is not there."""
    return 2.0 if found is None else 1.0 - SequenceMatcher(None, wanted, found).ratio()
