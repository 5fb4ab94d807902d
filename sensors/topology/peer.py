"""Says what an address in a question means in this cluster: a Service, a pod, a node, the API server, or none of them.

Pure. Name forms: the Kubernetes DNS specification 1.1 (`svc`, `svc.ns`, `svc.ns.svc`, `svc.ns.svc.<cluster domain>`,
`<pod name>.svc.ns.svc…`, `<dashed ip>.ns.pod…`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from sensors.kit.addresses import Address, as_ip, spelled
from sensors.kit.cluster import Environment, Object
from sensors.kit.kinds import ENDPOINT_SLICE, NAMESPACE, NODE, POD
from sensors.kit.nearest import nearest
from sensors.kit.objects import (
    Ref,
    flag,
    items,
    labels_of,
    name_of,
    named,
    namespace_of,
    number,
    pod_is_over,
    text,
    texts,
    workload_of,
)
from sensors.kit.reading import Kinds

SLICE_OWNER = "kubernetes.io/service-name"
API_SERVICE = Ref("Service", "default", "kubernetes")


class AskedKind(StrEnum):
    """Kind of the requested peer. The four last are answers, too: the address belongs to nothing that exists."""

    SERVICE = "service"
    POD = "pod"
    NODE = "node"
    API_SERVER = "api_server"
    EXTERNAL = "external"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_NAMESPACE = "unknown_namespace"
    UNKNOWN_POD = "unknown_pod"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class ResolvedPeer:
    """The requested peer, resolved.

    `service` is the existing Service, or the one that was meant and does not exist (`unknown_service`,
    `unknown_namespace`); `pod` the pod behind a pod address, `workload` what made it; `node` the node's name. A node
    port is its Service: `service_port` is then the Service's own port. `alias` is the ExternalName Service that was
    named, where it leads to something of this cluster (the rest then says what) or to `external_name`, a name outside.
    For what does not exist: `nearest` are names like it in the same namespace, `elsewhere` Services of that very name
    in other namespaces, `nearest_namespaces` namespaces like the one that does not exist.
    """

    kind: AskedKind
    host: str = ""
    port: int | None = None
    service: Ref | None = None
    pod: Ref | None = None
    workload: Ref | None = None
    node: str = ""
    nearest: tuple[str, ...] = ()
    elsewhere: tuple[Ref, ...] = ()
    nearest_namespaces: tuple[str, ...] = ()
    why: str = ""
    service_port: int | None = None
    alias: Ref | None = None
    external_name: str = ""

    @property
    def port_of_service(self) -> int | None:
        """The asked port as the Service knows it: behind a node port its own one."""
        return self.service_port or self.port


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Objects with an address in the cluster. None = could not be read, which is not the same as none."""

    services: tuple[Object, ...]
    slices: tuple[Object, ...] | None = None
    pods: tuple[Object, ...] | None = None
    nodes: tuple[Object, ...] | None = None
    namespaces: tuple[str, ...] | None = None
    service_cidrs: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()


ADDRESS_KINDS = (ENDPOINT_SLICE, POD, NODE, NAMESPACE)
"""The kinds which `places` reads besides Services."""


def places(services: tuple[Object, ...], kinds: Kinds, environment: Environment) -> AddressBook:
    """Gather what has an address from objects that were read."""
    nodes, namespaces = kinds.known(NODE), kinds.known(NAMESPACE)
    node_cidrs = (each for node in nodes or () for each in texts(node, "spec", "podCIDRs"))
    return AddressBook(
        services=services,
        slices=kinds.known(ENDPOINT_SLICE),
        pods=kinds.known(POD),
        nodes=nodes,
        namespaces=None if namespaces is None else tuple(sorted(map(name_of, namespaces))),
        service_cidrs=environment.service_cidrs,
        pod_cidrs=tuple(dict.fromkeys([*environment.pod_cidrs, *node_cidrs])),
    )


def addressed(host: str, port: int | None, namespace: str, where: AddressBook) -> ResolvedPeer:
    """Meaning of `host` in this cluster, seen from a pod in `namespace`."""
    address = as_ip(host)
    asked = _by_ip(address, port, where) if address else _by_name(spelled(host), namespace, where)
    return replace(_followed(asked, where), host=host, port=port)


def slices_of(service: Ref, slices: Iterable[Object]) -> tuple[Object, ...]:
    """The EndpointSlices of one Service."""
    near = (each for each in slices if namespace_of(each) == service.namespace)
    return tuple(each for each in near if labels_of(each).get(SLICE_OWNER) == service.name)


def slice_owner(part: Object) -> tuple[str, str]:
    """Namespace and name of the Service whose addresses an EndpointSlice holds."""
    return namespace_of(part), labels_of(part).get(SLICE_OWNER, "")


def service_addresses(service: Object) -> tuple[str, ...]:
    """Every address a client can use for a Service: cluster, external and load balancer addresses."""
    cluster = (*texts(service, "spec", "clusterIPs"), text(service, "spec", "clusterIP"))
    balancer = (text(each, "ip") for each in items(service, "status", "loadBalancer", "ingress"))
    written = (*cluster, *texts(service, "spec", "externalIPs"), *balancer)
    return tuple(dict.fromkeys(str(address) for address in map(as_ip, written) if address))


def pod_addresses(pod: Object) -> tuple[str, ...]:
    """The addresses of a pod, its first one first."""
    written = (text(pod, "status", "podIP"), *(text(each, "ip") for each in items(pod, "status", "podIPs")))
    return tuple(dict.fromkeys(str(address) for address in map(as_ip, written) if address))


MOST_ALIASES = 4
"""ExternalName Services may lead to each other; resolvers give up after a few, too."""


def _followed(asked: ResolvedPeer, where: AddressBook) -> ResolvedPeer:
    """Target of an ExternalName. The DNS server answers with an alias, to which no search domain is added: only a
    full name of the cluster leads back into it. An address written there is taken for a name, and none exists."""
    for _ in range(MOST_ALIASES):
        name = _external_name(asked, where)
        if not name:
            return asked
        alias = asked.alias or asked.service
        there = _by_name(name, "", where) if ".svc." in name else None
        if there is None:
            why = f"{asked.service} stands for {name} (ExternalName)"
            return ResolvedPeer(AskedKind.EXTERNAL, service=asked.service, alias=alias, external_name=name, why=why)
        asked = replace(there, alias=alias)
    return asked


def _external_name(asked: ResolvedPeer, where: AddressBook) -> str:
    if asked.kind is not AskedKind.SERVICE or asked.service is None:
        return ""
    service = _find(asked.service.name, asked.service.namespace, where) or {}
    return spelled(text(service, "spec", "externalName")) if text(service, "spec", "type") == "ExternalName" else ""


def _by_name(host: str, namespace: str, where: AddressBook) -> ResolvedPeer:
    if balanced := None if _names_service(host, where) else _balanced(host, where):
        return ResolvedPeer(AskedKind.SERVICE, service=_ref(balanced))
    match host.split("."):
        case ["localhost"]:
            return ResolvedPeer(AskedKind.POD, why="the pod itself")
        case [name]:
            return _service(name, namespace, where)
        case [name, space, "svc", *_]:
            return _service(name, space, where)
        case [pod, name, space, "svc", *_]:
            return _pod_of_service(pod, name, space, where)
        case [dashed, _, "pod", *_]:
            return _pod_by_dashes(dashed, where)
        case [pod, name, space] if _find(name, space, where):
            return _pod_of_service(pod, name, space, where)
        case [name, space]:
            return _two_words(name, space, namespace, where)
    return ResolvedPeer(AskedKind.EXTERNAL, why="a name outside the cluster")


def _names_service(host: str, where: AddressBook) -> bool:
    """Checks whether it is `name.namespace.svc` of a Service that is there: load balancers have other names."""
    inside, svc, _ = f"{host}.".partition(".svc.")
    *_, name, space = ("", *inside.split("."))
    return bool(svc) and _find(name, space, where) is not None


def _balanced(host: str, where: AddressBook) -> Object | None:
    return next((each for each in where.services if host in _balancer_names(each)), None)


def _balancer_names(service: Object) -> set[str]:
    """The names that a load balancer gave a Service (AWS gives names where others give addresses)."""
    return {spelled(text(each, "hostname")) for each in items(service, "status", "loadBalancer", "ingress")} - {""}


def _two_words(name: str, space: str, namespace: str, where: AddressBook) -> ResolvedPeer:
    """`a.b`: Service a in namespace b, or pod a of our Service b, or `example.com`; the search list tries them all."""
    if space in (where.namespaces or ()) or _find(name, space, where):
        return _service(name, space, where)
    if _find(space, namespace, where):
        return _pod_of_service(name, space, namespace, where)
    meant = where.namespaces is not None and (_elsewhere(name, where) or nearest(space, where.namespaces))
    return _service(name, space, where) if meant else ResolvedPeer(AskedKind.EXTERNAL, why="a name outside the cluster")


def _service(name: str, space: str, where: AddressBook) -> ResolvedPeer:
    ref = Ref("Service", space, name)
    if _find(name, space, where):
        return ResolvedPeer(_service_kind(ref), service=ref)
    elsewhere = _elsewhere(name, where)
    if where.namespaces is not None and space not in where.namespaces:
        near = tuple(nearest(space, where.namespaces))
        why = f"there is no namespace {space}"
        return ResolvedPeer(
            AskedKind.UNKNOWN_NAMESPACE, service=ref, elsewhere=elsewhere, nearest_namespaces=near, why=why
        )
    near = tuple(nearest(name, (name_of(each) for each in where.services if namespace_of(each) == space)))
    why = f"namespace {space} has no Service {name}"
    return ResolvedPeer(AskedKind.UNKNOWN_SERVICE, service=ref, nearest=near, elsewhere=elsewhere, why=why)


def _pod_of_service(pod: str, name: str, space: str, where: AddressBook) -> ResolvedPeer:
    """The stable name of one pod of a headless Service."""
    service = _service(name, space, where)
    if service.kind is not AskedKind.SERVICE:
        return service
    if where.pods is None:
        return replace(service, kind=AskedKind.UNDECIDABLE, why="pods could not be read")
    found = named(where.pods, pod, space)
    near = tuple(nearest(pod, (name_of(each) for each in where.pods if namespace_of(each) == space)))
    if found is None:
        why = f"namespace {space} has no pod {pod}"
        return replace(service, kind=AskedKind.UNKNOWN_POD, nearest=near, why=why)
    return _at_pod(service, found)


def dashed_ip(label: str) -> Address | None:
    """The address in `10-0-0-7` or `fd00--7`, the first word of a pod's DNS name; None for any other word."""
    return as_ip(label.replace("-", ".")) or as_ip(label.replace("-", ":"))


def _pod_by_dashes(dashed: str, where: AddressBook) -> ResolvedPeer:
    address = dashed_ip(dashed)
    return (
        _by_ip(address, None, where)
        if address
        else ResolvedPeer(AskedKind.UNKNOWN_POD, why="not an address with dashes")
    )


def _by_ip(address: Address, port: int | None, where: AddressBook) -> ResolvedPeer:
    if address.is_loopback:
        return ResolvedPeer(AskedKind.POD, why="the pod itself")
    return (
        _service_at(address, where)
        or _api_server_at(address, port, where)
        or _node_port_at(address, port, where)
        or _node_at(address, where)
        or _pod_at(address, where)
        or _nobody_at(address, where)
    )


def _service_at(address: Address, where: AddressBook) -> ResolvedPeer | None:
    for each in where.services:
        if str(address) in service_addresses(each):
            ref = _ref(each)
            return ResolvedPeer(_service_kind(ref), service=ref)
    return None


def _api_server_at(address: Address, port: int | None, where: AddressBook) -> ResolvedPeer | None:
    for part in slices_of(API_SERVICE, where.slices or ()):
        ports = {number(each, "port") for each in items(part, "ports")}
        held = {as_ip(each) for endpoint in items(part, "endpoints") for each in texts(endpoint, "addresses")}
        if address in held and (port is None or port in ports):
            return ResolvedPeer(AskedKind.API_SERVER, service=API_SERVICE)
    return None


def _node_port_at(address: Address, port: int | None, where: AddressBook) -> ResolvedPeer | None:
    """The Service behind a node's address and one of its node ports; the node is where the packet arrives first."""
    node = _node_at(address, where) if port is not None else None
    for each in where.services if node else ():
        rows = (row for row in items(each, "spec", "ports") if number(row, "nodePort") == port)
        if node and (row := next(rows, None)) is not None:
            return replace(node, kind=AskedKind.SERVICE, service=_ref(each), service_port=number(row, "port"))
    return None


def _node_at(address: Address, where: AddressBook) -> ResolvedPeer | None:
    for node in where.nodes or ():
        if address in {as_ip(text(each, "address")) for each in items(node, "status", "addresses")}:
            return ResolvedPeer(AskedKind.NODE, node=name_of(node))
    return None


def _pod_at(address: Address, where: AddressBook) -> ResolvedPeer | None:
    for pod in where.pods or ():
        own = flag(pod, "spec", "hostNetwork") is not True and not pod_is_over(pod)
        if own and str(address) in pod_addresses(pod):
            return _at_pod(ResolvedPeer(AskedKind.POD), pod)
    return None


def _at_pod(asked: ResolvedPeer, pod: Object) -> ResolvedPeer:
    node = text(pod, "spec", "nodeName")
    return replace(asked, kind=AskedKind.POD, pod=ref_of_pod(pod), workload=workload_of(pod), node=node)


def _nobody_at(address: Address, where: AddressBook) -> ResolvedPeer:
    if address.is_link_local:
        return ResolvedPeer(AskedKind.NODE, why="a link-local address: whatever answers is on the pod's own node")
    if _within(address, where.service_cidrs):
        return ResolvedPeer(AskedKind.UNKNOWN_SERVICE, why="a Service address that no Service has")
    if where.pods is None:
        return ResolvedPeer(AskedKind.UNDECIDABLE, why="pods could not be read")
    if _within(address, where.pod_cidrs):
        return ResolvedPeer(AskedKind.UNKNOWN_POD, why="a pod address that no pod has")
    return ResolvedPeer(AskedKind.EXTERNAL, why="an address outside the cluster")


def _within(address: Address, cidrs: Iterable[str]) -> bool:
    return any(network is not None and address in network for network in map(_network, cidrs))


def _network(cidr: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None


def _ref(service: Object) -> Ref:
    return Ref("Service", namespace_of(service), name_of(service))


def _service_kind(ref: Ref) -> AskedKind:
    return AskedKind.API_SERVER if ref == API_SERVICE else AskedKind.SERVICE


def _find(name: str, space: str, where: AddressBook) -> Object | None:
    return named(where.services, name, space)


def _elsewhere(name: str, where: AddressBook) -> tuple[Ref, ...]:
    return tuple(sorted(_ref(each) for each in where.services if name_of(each) == name))


def ref_of_pod(pod: Object) -> Ref:
    return Ref("Pod", namespace_of(pod), name_of(pod))
