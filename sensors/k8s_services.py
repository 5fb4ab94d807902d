"""The Services on the pod's path: what they select, where their endpoints really are, and why backends are not ready.

Reads    Services, EndpointSlices, Pods, workloads, Namespaces, Nodes, Events; where the question names no peer, the
         last log lines of the pod, for the names in them.
Touches  nothing.
Blind    when Services cannot be read. What else is missing reads as None in the facts and is named in `unread`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sensors.kit.addresses import as_ip
from sensors.kit.app_log import hosts_in
from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import ENDPOINT_SLICE, EVENT, POD, SERVICE
from sensors.kit.model import Sensor, Target
from sensors.kit.objects import (
    Owner,
    Ref,
    created_at,
    flag,
    get,
    items,
    labels_of,
    managed_by,
    name_of,
    named,
    namespace_of,
    number,
    string_map,
    text,
    texts,
)
from sensors.kit.reading import Kinds, if_readable, read_kinds
from sensors.topology import workloads
from sensors.topology.backends import BackendPod as BackendPod
from sensors.topology.backends import LabelMiss as LabelMiss
from sensors.topology.backends import ServicePort as ServicePort
from sensors.topology.backends import ServiceSurroundings, backend, matching, near_misses, scene_of
from sensors.topology.peer import (
    ADDRESS_KINDS,
    API_SERVICE,
    AddressBook,
    ResolvedPeer,
    addressed,
    places,
    service_addresses,
)
from sensors.topology.talks import in_spec
from sensors.topology.workloads import IdleWorkload as IdleWorkload


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
class ServiceFacts:
    """One Service. `endpoints` and `matching_pods` are None where slices or pods could not be read, never "none".

    Where the selector matches no pod, `idle` are the workloads that it would match if they had pods, `near_misses` the
    workloads of the namespace that come closest. Where there is no selector, `unowned_slices` are the names of Services
    that are not there and to which EndpointSlices of the namespace belong.
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
    idle: tuple[IdleWorkload, ...] = ()
    unowned_slices: tuple[str, ...] = ()
    families: tuple[int, ...] = ()

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

    asked: ResolvedPeer | None
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
            count = len(self.services)
            return f"{count} {'Service' if count == 1 else 'Services'} nearby; the question names no peer"
        meant = self.asked_service
        return _line(meant) if meant else _asked_line(self.asked)


def _line(service: ServiceFacts) -> str:
    ports = ", ".join(f"{each.port}→{each.target_port or each.port}/{each.protocol}" for each in service.ports)
    if service.endpoints is None:
        return f"{service.ref} ({ports}): its endpoints could not be read"
    ready = len(service.ready_endpoints or ())
    return f"{service.ref} ({ports}): {ready} of {len(service.endpoints)} endpoints ready{_reason(service)}"


def _reason(service: ServiceFacts) -> str:
    """The reason why there is no backend, where a fact says so."""
    if service.idle:
        return f"; {service.idle[0]}"
    if service.near_misses:
        miss = service.near_misses[0]
        found = f"{miss.key}={miss.found}" if miss.found is not None else f"no label {miss.key}"
        return f"; the selector wants {miss.key}={miss.wanted}, the pods of {miss.workload} have {found}"
    waiting = next((each for each in service.matching_pods or () if not each.ready), None)
    return f"; {waiting.pod}: {waiting.why}" if waiting else ""


def _asked_line(asked: ResolvedPeer) -> str:
    near = asked.nearest or tuple(map(str, asked.elsewhere)) or asked.nearest_namespaces
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"{asked.host} is {asked.kind.value.replace('_', ' ')}{': ' + asked.why if asked.why else ''}{hint}"


async def look(target: Target, cluster: Cluster) -> Services:
    """The asked peer, the Services of the pod's namespace, the cluster's DNS and its API server."""
    services = await cluster.objects(SERVICE)
    kinds = await read_kinds(cluster, *ADDRESS_KINDS, *workloads.WORKLOAD_KINDS, EVENT)
    where = places(services, kinds, await cluster.environment())
    hosts = () if target.to_host is not None else await _known_hosts(target, cluster, kinds)
    return services_seen(target, services, kinds, where, hosts)


async def _known_hosts(target: Target, cluster: Cluster, kinds: Kinds) -> tuple[str, ...]:
    """Hosts that the pod's own log and its spec name, for a request without a peer."""
    pod = named(kinds.of(POD), target.pod, target.namespace)
    boxes = (name for each in items(pod or {}, "spec", "containers") if (name := text(each, "name")))
    logs = [(await if_readable(cluster.log(target.namespace, target.pod, each, lines=200)))[0] for each in boxes]
    found = [host for log in logs if log for host in hosts_in(log)] + [each.host for each in in_spec(pod or {})]
    return tuple(dict.fromkeys(found))


def services_seen(
    target: Target, services: tuple[Object, ...], kinds: Kinds, where: AddressBook, hosts: Iterable[str] = ()
) -> Services:
    """The facts from objects that were read; see `look`. `hosts` are peers met elsewhere, such as in the pod's log."""
    asked = None
    if target.to_host is not None:
        asked = addressed(target.to_host, target.to_port, target.namespace, where)
    met = (addressed(each, None, target.namespace, where).service for each in hosts)
    meant = frozenset(filter(None, (asked.service if asked else None, *met)))
    wanted = sorted(_on_the_path(services, target.namespace, meant), key=lambda each: _order(each, asked))
    scene = scene_of(kinds, frozenset(map(namespace_of, wanted)))
    return Services(
        asked=asked,
        services=tuple(describe(each, scene, _names(services, namespace_of(each))) for each in wanted),
        unread=kinds.complaints,
        by_ip={ip: _ref(each) for each in services for ip in service_addresses(each)},
    )


def _names(services: Iterable[Object], namespace: str) -> frozenset[str]:
    return frozenset(name_of(each) for each in services if namespace_of(each) == namespace)


def _ref(service: Object) -> Ref:
    return Ref("Service", namespace_of(service), name_of(service))


def _on_the_path(services: Iterable[Object], namespace: str, meant: frozenset[Ref]) -> Iterable[Object]:
    return (each for each in services if namespace_of(each) == namespace or _ref(each) in meant or _is_vital(each))


def _is_vital(service: Object) -> bool:
    """The cluster's DNS (whatever a distribution calls it) and the API server."""
    return _ref(service) == API_SERVICE or labels_of(service).get("k8s-app") == "kube-dns"


def _order(service: Object, asked: ResolvedPeer | None) -> tuple[bool, bool, Ref]:
    ref = _ref(service)
    return asked is None or ref != asked.service, _is_vital(service), ref


# -- one Service -------------------------------------------------------------------------------------------------------


def describe(service: Object, scene: ServiceSurroundings, names: frozenset[str] = frozenset()) -> ServiceFacts:
    """One Service with its endpoints and the pods behind it; `names` are all Services of its namespace."""
    ref, selector, ports = _ref(service), string_map(service, "spec", "selector"), _ports(service)
    candidates = scene.candidates.get(ref.namespace, ())
    chosen = matching(selector, ref.namespace, scene)
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
        matching_pods=None if scene.kinds.known(POD) is None else tuple(backend(each, ports, scene) for each in chosen),
        near_misses=near_misses(selector, candidates, ports) if selector and not chosen else (),
        idle=() if chosen else workloads.idle_workloads(selector, ref.namespace, scene.kinds, scene.events),
        unowned_slices=() if selector else scene.unowned_slices(ref.namespace, names),
        families=_families(service),
    )


def _families(service: Object) -> tuple[int, ...]:
    """`ipFamilies`, which the API server fills in since 1.20; before it the cluster's addresses tell."""
    said = tuple(
        4 if each == "IPv4" else 6 for each in texts(service, "spec", "ipFamilies") if each in ("IPv4", "IPv6")
    )
    own = (as_ip(each) for each in _cluster_ips(service))
    return said or tuple(address.version for address in own if address)


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


SENSOR = Sensor(
    id="k8s.services", look=look, gives=Services, within=8.0, layers=("service",), weight=1.5, needs_pod=False
)
