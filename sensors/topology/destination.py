"""Says what stands behind the asked peer: addresses a packet goes to, backends with their ports, and their nodes.

One answer for every sensor and for what the probe may send to; what the peer *is* comes from `peer.addressed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sensors.kit.addresses import as_ip, spelled
from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import ENDPOINT_SLICE, POD, SERVICE
from sensors.kit.model import Target
from sensors.kit.objects import Ref, flag, items, named, namespace_of, number, pod_is_ready, text, texts
from sensors.kit.reading import read_kinds
from sensors.topology.peer import (
    ADDRESS_KINDS,
    AddressBook,
    ResolvedPeer,
    addressed,
    dashed_ip,
    places,
    pod_addresses,
    service_addresses,
    slices_of,
)

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Backend:
    """One address behind the asked peer; `ports` are those at which the question arrives. `pod` is empty where the
    address belongs to no pod; an endpoint with an unset condition counts as ready."""

    address: str
    ports: tuple[int, ...]
    namespace: str
    pod: str
    node: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """Parts of the peer in the question. Empty but for host and port where it is nothing of this cluster.

    `host` in its one spelling (`peer.spelled`); `service_ports` the Service's own ports; `cluster_ips` every address
    of the Service at which the asked port counts (none for a node port); `node` the peer's node where it has one;
    `protocol` what the question says, else what the Service speaks at that port: TCP where it speaks both;
    `is_dns`: it is asked at port 53, or at a port that its Service names `dns`.
    """

    host: str
    port: int | None
    service: Ref | None = None
    cluster_ips: tuple[str, ...] = ()
    service_ports: tuple[int, ...] = ()
    backends: tuple[Backend, ...] = ()
    unread: tuple[str, ...] = ()
    node: str = ""
    protocol: str = "TCP"
    is_dns: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes on which the peer lives, as far as it lives in the cluster; its own first."""
        return tuple(dict.fromkeys(each for each in (self.node, *(each.node for each in self.backends)) if each))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that a packet for the peer may carry."""
        return tuple(dict.fromkeys((*self.cluster_ips, *(each.address for each in self.backends))))


async def destination_of(target: Target, cluster: Cluster) -> Destination | None:
    """The Service, addresses and backends behind `target.to`; None where the question names no peer."""
    if target.to_host is None:
        return None
    where, unread = await surroundings(cluster)
    return destination_at(target.to_host, target.to_port, target.namespace, where, unread, target.to_protocol)


async def surroundings(cluster: Cluster) -> tuple[AddressBook, tuple[str, ...]]:
    """Objects with an address in the cluster, and those that could not be read."""
    kinds = await read_kinds(cluster, SERVICE, *ADDRESS_KINDS)
    unread = tuple(kinds.unread[each] for each in (SERVICE, ENDPOINT_SLICE, POD) if each in kinds.unread)
    return places(kinds.of(SERVICE), kinds, await cluster.environment()), unread


def destination_at(
    host: str,
    port: int | None,
    namespace: str,
    where: AddressBook,
    unread: tuple[str, ...] = (),
    protocol: str | None = None,
) -> Destination:
    """Pure: what stands behind `host`, seen from a pod in `namespace`; `protocol` where the question says it."""
    asked = addressed(host, port, namespace, where)
    service = named(where.services, asked.service.name, asked.service.namespace) if asked.service else None
    if asked.pod is not None:
        found = replace(_pod(asked, service, where, unread), protocol=protocol or "TCP")
    elif service is None or _is_backend_itself(asked, service):
        found = replace(_plain(asked, unread), protocol=protocol or "TCP")
    else:
        spoken = protocol or _spoken(service, asked.service_port or asked.port)
        found = _service(asked, service, where, unread, spoken)
    return replace(found, is_dns=port == DNS_PORT or _is_named_dns(service, asked.port_of_service))


def _is_named_dns(service: Object | None, port: int | None) -> bool:
    """Checks whether the Service gives the port the name that DNS servers' ports have (`dns`, `dns-udp`, `udp-dns`)."""
    rows = items(service or {}, "spec", "ports")
    return any("dns" in text(each, "name").split("-") for each in rows if port in (None, number(each, "port")))


def _spoken(service: Object, port: int | None) -> str:
    """The protocol of a Service's port (of all its ports without one): TCP where it speaks that, too."""
    rows = [each for each in items(service, "spec", "ports") if port in (None, number(each, "port"))]
    spoken = {text(each, "protocol") or "TCP" for each in rows} or {"TCP"}
    return "TCP" if "TCP" in spoken else min(spoken)


def _is_backend_itself(asked: ResolvedPeer, service: Object) -> bool:
    """The address of an endpoint (the API server's), which is not one of its Service's own."""
    address = as_ip(asked.host)
    return address is not None and asked.service_port is None and str(address) not in service_addresses(service)


def _plain(asked: ResolvedPeer, unread: tuple[str, ...]) -> Destination:
    return Destination(spelled(asked.host), asked.port, node=asked.node, unread=unread)


def _pod(asked: ResolvedPeer, service: Object | None, where: AddressBook, unread: tuple[str, ...]) -> Destination:
    """One pod: by the address that was asked for, else by all it has."""
    pod = named(where.pods or (), asked.pod.name, asked.pod.namespace) if asked.pod else None
    address = as_ip(asked.host) or dashed_ip(asked.host.partition(".")[0])
    mine = (str(address),) if address else pod_addresses(pod or {})
    return Destination(
        host=spelled(asked.host),
        port=asked.port,
        service=asked.service,
        service_ports=_service_ports(service) if service else (),
        backends=tuple(_pod_backend(each, asked.port, pod or {}, asked.pod) for each in mine),
        unread=unread,
        node=asked.node,
    )


def _pod_backend(address: str, port: int | None, pod: Object, ref: Ref | None) -> Backend:
    namespace, name = (ref.namespace, ref.name) if ref else ("", "")
    ports = (port,) if port else ()
    return Backend(address, ports, namespace, name, text(pod, "spec", "nodeName"), pod_is_ready(pod) is True)


def _service(
    asked: ResolvedPeer, service: Object, where: AddressBook, unread: tuple[str, ...], protocol: str
) -> Destination:
    on_node, ref = asked.service_port is not None, asked.service
    return Destination(
        host=spelled(asked.host),
        port=asked.port,
        service=ref,
        cluster_ips=() if on_node else service_addresses(service),
        service_ports=_service_ports(service),
        backends=tuple(_backends(asked, service, slices_of(ref, where.slices or ()) if ref else (), protocol)),
        unread=unread,
        node=asked.node,
        protocol=protocol,
    )


def _service_ports(service: Object) -> tuple[int, ...]:
    return tuple(filter(None, (number(each, "port") for each in items(service, "spec", "ports"))))


def _backends(asked: ResolvedPeer, service: Object, slices: Iterable[Object], protocol: str) -> Iterable[Backend]:
    wanted = asked.service_port or asked.port
    names = {text(each, "name") for each in items(service, "spec", "ports") if wanted in (None, number(each, "port"))}
    untranslated = (asked.port,) if asked.port and text(service, "spec", "clusterIP") == "None" else ()
    for each in slices:
        for endpoint in items(each, "endpoints"):
            yield from _endpoint(endpoint, namespace_of(each), untranslated or _ports(each, names, protocol))


def _ports(part: Object, names: set[str], protocol: str) -> tuple[int, ...]:
    return tuple(
        found
        for row in items(part, "ports")
        if text(row, "name") in names
        and (text(row, "protocol") or "TCP") == protocol
        and (found := number(row, "port"))
    )


def _endpoint(endpoint: Object, space: str, ports: tuple[int, ...]) -> Iterable[Backend]:
    is_pod = text(endpoint, "targetRef", "kind") == "Pod"
    for address in texts(endpoint, "addresses"):
        yield Backend(
            address=spelled(address),
            ports=ports,
            namespace=(text(endpoint, "targetRef", "namespace") or space) if is_pod else "",
            pod=text(endpoint, "targetRef", "name") if is_pod else "",
            node=text(endpoint, "nodeName"),
            ready=flag(endpoint, "conditions", "ready") is not False,
        )


def ports_by_pod(backends: Iterable[Backend]) -> dict[tuple[str, str], tuple[int, ...]]:
    """The pods behind a peer with the ports the question arrives at; a pod with two addresses counts once."""
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    for each in backends:
        if each.pod:
            key = each.namespace, each.pod
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), *each.ports)))
    return found
