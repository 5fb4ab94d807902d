"""The Services on the pod's path: what they select, where their endpoints really are, and why backends are not ready.

Reads    Services, EndpointSlices, Pods, ReplicaSets, Namespaces, Nodes, Events.
Touches  nothing.
Blind    when Services cannot be read. What else is missing reads as None in the facts and is named in `unread`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TypeVar

from sensors.kit.cluster import Cluster, Object
from sensors.kit.events import EventFact, fold_events
from sensors.kit.kinds import ENDPOINT_SLICE, EVENT, NODE, POD, REPLICA_SET, SERVICE
from sensors.kit.model import Sensor, Target
from sensors.kit.objects import (
    Owner,
    Ref,
    condition_of,
    conditions_of,
    controller_of,
    created_at,
    flag,
    get,
    items,
    labels_of,
    managed_by,
    name_of,
    namespace_of,
    number,
    one_line,
    pod_is_over,
    pod_is_ready,
    selects,
    string_map,
    text,
    texts,
    workload_of,
)
from sensors.kit.peer import (
    API_SERVICE,
    NEEDED,
    Asked,
    Places,
    addressed,
    places,
    pod_addresses,
    ref_of_pod,
    service_addresses,
    slice_owner,
)
from sensors.kit.reading import Kinds, read_kinds


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
class EndpointFacts:
    """One backend address from the EndpointSlices; `ports` are (Service port's name, real port, protocol).

    `ready` counts an unset condition as ready, as the API says. Empty `ports` on an address: a named target port that
    the pod does not have.
    """

    ip: str
    ready: bool
    serving: bool
    terminating: bool
    node: str
    pod: str
    ports: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class BackendPod:
    """A pod that the selector matches. `why` says in the cluster's words why it is not ready (empty when ready).

    `declared` are its container ports (name, port, protocol); `targets` what each Service port (by name) becomes on
    this pod, None where the pod has no container port of that name.
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


@dataclass(frozen=True, slots=True)
class LabelMiss:
    """A workload whose pods a selector just misses.

    `key` is the label that differs, `wanted` what the selector asks, `found` what the pods have (None = no such
    label); `differing` how many keys of the selector differ in all.
    """

    workload: Ref | None
    pods: int
    key: str
    wanted: str
    found: str | None
    differing: int


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One Service. `endpoints` and `matching_pods` are None where slices or pods could not be read, never "none".

    `near_misses` is filled when the selector matches no pod: the workloads of the namespace that come closest.
    """

    namespace: str
    name: str
    type: str
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    selector: Mapping[str, str]
    ports: tuple[ServicePort, ...]
    headless: bool
    external_name: str
    internal_traffic_policy: str
    external_traffic_policy: str
    session_affinity: str
    publish_not_ready: bool
    source_ranges: tuple[str, ...]
    created: datetime | None
    owner: Owner | None
    endpoints: tuple[EndpointFacts, ...] | None
    matching_pods: tuple[BackendPod, ...] | None
    near_misses: tuple[LabelMiss, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("Service", self.namespace, self.name)

    @property
    def ready_endpoints(self) -> tuple[EndpointFacts, ...] | None:
        """Endpoints that get traffic; None where EndpointSlices could not be read."""
        return None if self.endpoints is None else tuple(each for each in self.endpoints if each.ready)

    def port(self, number: int, protocol: str = "") -> ServicePort | None:
        """The Service's port of that number (and protocol)."""
        fits = (each for each in self.ports if each.port == number and protocol in ("", each.protocol))
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class Services:
    """The asked peer, the Services on the path, and every Service address of the cluster in `by_ip`."""

    asked: Asked | None
    services: tuple[ServiceFacts, ...]
    unread: tuple[str, ...]
    by_ip: Mapping[str, Ref] = field(repr=False, metadata={"report": False})

    def find(self, namespace: str, name: str) -> ServiceFacts | None:
        """A Service among those described (the asked one, the namespace's, kube-dns, kubernetes)."""
        return next((each for each in self.services if (each.namespace, each.name) == (namespace, name)), None)

    @property
    def asked_service(self) -> ServiceFacts | None:
        """The existing Service that the question is about."""
        ref = self.asked.service if self.asked else None
        return self.find(ref.namespace, ref.name) if ref else None

    def summary(self) -> str:
        if self.asked is None:
            return f"{len(self.services)} Services on the path; the question names no peer"
        meant = self.asked_service
        return _line(meant) if meant else _asked_line(self.asked)


def _line(service: ServiceFacts) -> str:
    ports = ", ".join(f"{each.port}→{each.target_port or each.port}/{each.protocol}" for each in service.ports)
    if service.endpoints is None:
        return f"{service.ref} ({ports}): its endpoints could not be read"
    ready = len(service.ready_endpoints or ())
    return f"{service.ref} ({ports}): {ready} of {len(service.endpoints)} endpoints ready{_reason(service)}"


def _reason(service: ServiceFacts) -> str:
    """Why there is no backend, where a fact says so."""
    if service.near_misses:
        miss = service.near_misses[0]
        return (
            f"; the selector wants {miss.key}={miss.wanted}, the pods of {miss.workload} have {miss.key}={miss.found}"
        )
    waiting = next((each for each in service.matching_pods or () if not each.ready), None)
    return f"; {waiting.pod}: {waiting.why}" if waiting else ""


def _asked_line(asked: Asked) -> str:
    near = asked.nearest or tuple(map(str, asked.elsewhere)) or asked.nearest_namespaces
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"{asked.host} is {asked.kind.value.replace('_', ' ')}{': ' + asked.why if asked.why else ''}{hint}"


async def look(target: Target, cluster: Cluster) -> Services:
    """The asked peer, the Services of the pod's namespace, the cluster's DNS and its API server."""
    services = await cluster.objects(SERVICE)
    kinds = await read_kinds(cluster, *NEEDED, REPLICA_SET, EVENT)
    return services_seen(target, services, kinds, places(services, kinds, await cluster.environment()))


def services_seen(target: Target, services: tuple[Object, ...], kinds: Kinds, where: Places) -> Services:
    """The facts from objects that were read; see `look`."""
    asked = None
    if target.to_host is not None:
        asked = addressed(target.to_host, target.to_port, target.namespace, where)
    wanted = sorted(_on_the_path(services, target.namespace, asked), key=lambda each: _order(each, asked))
    scene = _scene(kinds, frozenset(map(namespace_of, wanted)))
    return Services(
        asked=asked,
        services=tuple(describe(each, scene) for each in wanted),
        unread=kinds.complaints,
        by_ip={ip: _ref(each) for each in services for ip in service_addresses(each)},
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A living pod, with what many Services ask of it worked out once."""

    pod: Object
    labels: Mapping[str, str]
    workload: Ref | None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What stands around the Services, indexed once: a namespace may hold hundreds of Services, thousands of pods."""

    kinds: Kinds
    events: Mapping[Ref, tuple[EventFact, ...]]
    candidates: Mapping[str, tuple[_Candidate, ...]]
    by_label: Mapping[tuple[str, str, str], tuple[_Candidate, ...]]
    slices: Mapping[tuple[str, str], tuple[Object, ...]]


def _scene(kinds: Kinds, namespaces: frozenset[str]) -> _Scene:
    sets = _grouped(kinds.of(REPLICA_SET), lambda each: (namespace_of(each), name_of(each)))
    alive = (each for each in kinds.of(POD) if namespace_of(each) in namespaces and not pod_is_over(each))
    candidates = tuple(_Candidate(each, labels_of(each), _workload(each, sets)) for each in alive)
    labelled = ((namespace_of(each.pod), *label, each) for each in candidates for label in each.labels.items())
    return _Scene(
        kinds=kinds,
        events=_grouped(fold_events(kinds.of(EVENT)), lambda each: each.about),
        candidates=_grouped(candidates, lambda each: namespace_of(each.pod)),
        by_label={label: tuple(each[3] for each in group) for label, group in _grouped(labelled, _label).items()},
        slices=_grouped(kinds.of(ENDPOINT_SLICE), slice_owner),
    )


def _label(labelled: tuple[str, str, str, _Candidate]) -> tuple[str, str, str]:
    return labelled[:3]


def _matching(selector: Mapping[str, str], namespace: str, scene: _Scene) -> list[_Candidate]:
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


def _ref(service: Object) -> Ref:
    return Ref("Service", namespace_of(service), name_of(service))


def _on_the_path(services: Iterable[Object], namespace: str, asked: Asked | None) -> Iterable[Object]:
    meant = asked.service if asked else None
    return (each for each in services if namespace_of(each) == namespace or _ref(each) == meant or _is_vital(each))


def _is_vital(service: Object) -> bool:
    """The cluster's DNS (whatever a distribution calls it) and the API server."""
    return _ref(service) == API_SERVICE or labels_of(service).get("k8s-app") == "kube-dns"


def _order(service: Object, asked: Asked | None) -> tuple[bool, bool, Ref]:
    ref = _ref(service)
    return asked is None or ref != asked.service, _is_vital(service), ref


# -- one Service -------------------------------------------------------------------------------------------------------


def describe(service: Object, scene: _Scene) -> ServiceFacts:
    """One Service with its endpoints and the pods behind it."""
    ref, selector, ports = _ref(service), string_map(service, "spec", "selector"), _ports(service)
    candidates = scene.candidates.get(ref.namespace, ())
    matching = _matching(selector, ref.namespace, scene)
    slices = scene.slices.get((ref.namespace, ref.name), ())
    return ServiceFacts(
        namespace=ref.namespace,
        name=ref.name,
        type=text(service, "spec", "type") or "ClusterIP",
        cluster_ips=_cluster_ips(service),
        external_ips=tuple(each for each in service_addresses(service) if each not in _cluster_ips(service)),
        selector=selector,
        ports=ports,
        headless=text(service, "spec", "clusterIP") == "None",
        external_name=text(service, "spec", "externalName"),
        internal_traffic_policy=text(service, "spec", "internalTrafficPolicy") or "Cluster",
        external_traffic_policy=text(service, "spec", "externalTrafficPolicy"),
        session_affinity=text(service, "spec", "sessionAffinity") or "None",
        publish_not_ready=flag(service, "spec", "publishNotReadyAddresses") is True,
        source_ranges=texts(service, "spec", "loadBalancerSourceRanges"),
        created=created_at(service),
        owner=managed_by(service),
        endpoints=None if scene.kinds.known(ENDPOINT_SLICE) is None else endpoints_in(slices),
        matching_pods=None
        if scene.kinds.known(POD) is None
        else tuple(_backend(each, ports, scene) for each in matching),
        near_misses=_near_misses(selector, candidates) if selector and not matching else (),
    )


def _cluster_ips(service: Object) -> tuple[str, ...]:
    written = (text(service, "spec", "clusterIP"), *texts(service, "spec", "clusterIPs"))
    return tuple(dict.fromkeys(each for each in written if each and each != "None"))


def _ports(service: Object) -> tuple[ServicePort, ...]:
    return tuple(
        ServicePort(
            name=text(each, "name"),
            protocol=text(each, "protocol") or "TCP",
            port=port,
            target_port=_target_port(get(each, "targetPort")),
            node_port=number(each, "nodePort"),
            app_protocol=text(each, "appProtocol"),
        )
        for each in items(service, "spec", "ports")
        if (port := number(each, "port")) is not None
    )


def _target_port(value: object) -> int | str | None:
    """Raw: a number or a name; 0 and nothing mean "the same as port"."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value or None
    return None


def endpoints_in(slices: Iterable[Object]) -> tuple[EndpointFacts, ...]:
    """The addresses in a Service's EndpointSlices, in the order of address."""
    found = (
        _endpoint(endpoint, address, _slice_ports(part))
        for part in slices
        for endpoint in items(part, "endpoints")
        for address in texts(endpoint, "addresses")
    )
    return tuple(sorted(set(found), key=lambda each: (each.ip, each.ports)))


def _endpoint(endpoint: Mapping[str, object], address: str, ports: tuple[tuple[str, int, str], ...]) -> EndpointFacts:
    ready = flag(endpoint, "conditions", "ready") is not False
    serving = flag(endpoint, "conditions", "serving")
    return EndpointFacts(
        ip=address,
        ready=ready,
        serving=ready if serving is None else serving,
        terminating=flag(endpoint, "conditions", "terminating") is True,
        node=text(endpoint, "nodeName"),
        pod=text(endpoint, "targetRef", "name") if text(endpoint, "targetRef", "kind") == "Pod" else "",
        ports=ports,
    )


def _slice_ports(part: Object) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (text(each, "name"), port, text(each, "protocol") or "TCP")
        for each in items(part, "ports")
        if (port := number(each, "port")) is not None
    )


# -- the pods behind it ------------------------------------------------------------------------------------------------


def _backend(candidate: _Candidate, ports: tuple[ServicePort, ...], scene: _Scene) -> BackendPod:
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
    """What a Service port becomes on a pod: a name is looked up among the pod's ports of the same protocol."""
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


def _near_misses(selector: Mapping[str, str], pods: Iterable[_Candidate], limit: int = 3) -> tuple[LabelMiss, ...]:
    """The workloads whose pods come closest to a selector that matches none, nearest first."""
    counted = Counter((each.workload, *_miss(selector, each.labels)) for each in pods)
    misses = (
        LabelMiss(workload, count, key, selector[key], found, differing)
        for (workload, key, found, differing), count in counted.items()
    )
    return tuple(sorted(misses, key=_distance)[:limit])


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


SENSOR = Sensor(id="k8s.services", look=look, gives=Services, within=8.0, layers=("service",), weight=1.5)
