"""The requested peer and the pod's DNS resolver as policies see them, each with its backends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from flows.denials.connection import DNS_PORT
from flows.denials.policy_world import world_of
from flows.denials.tunnels import as_it_arrives
from flows.model import Case
from flows.policy import Endpoint, PolicyWorld, Traffic
from flows.symptoms.peers import HBONE, lost_tunnels, subject
from sensors.dns_lookup import Lookups
from sensors.k8s_pod import LogTrouble, PodFacts
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.kit.addresses import as_ip
from sensors.kube_proxy_health import KubeProxy
from sensors.topology.peer import ResolvedPeer

NO_CONNECTION = frozenset({LogTrouble.TIMEOUT, LogTrouble.CONNECT, LogTrouble.UNREACHABLE})

MOST_BACKENDS = 20

PeerAddress: TypeAlias = tuple[str, int, str]
"""Address, port and protocol, as policies see them."""

Ways: TypeAlias = dict[PeerAddress, Traffic]


def fronts(case: Case) -> Mapping[PeerAddress, tuple[ServiceFacts, ServicePort]]:
    """The Service before each backend's port, where exactly one Service has it: how the port is usually reached."""
    services, found = case.get(Services), defaultdict[PeerAddress, list[tuple[ServiceFacts, ServicePort]]](list)
    for each in services.services if services is not None else ():
        wanted = {known.name: known for known in each.ports} if each.cluster_ips and not each.headless else {}
        for end in each.endpoints or ():
            for name, number, protocol in end.ports:
                if name in wanted:
                    found[(end.ip, number, protocol)].append((each, wanted[name]))
    return {way: listed[0] for way, listed in found.items() if len(listed) == 1}


def asked_peers(case: Case) -> Ways:
    """Addresses of the requested peer, behind its Service or name. Empty without one, or where they are unknown.

    Where nobody asked, it is the Service to which the pod's own log says that it cannot connect.
    """
    services, world = case.get(Services), case.once(world_of)
    me = target_endpoint(case, world)
    if case.target.to_host is None:
        peer = subject(case)
        blocked = peer is not None and any(each.trouble in NO_CONNECTION for each in peer.logged)
        return dict(_behind(peer.service, peer.port, me, world)) if peer and peer.service and blocked else {}
    if services is None or services.asked is None:
        return {}
    port = case.target.to_port if case.target.to_port is not None else services.asked.port
    service = services.asked_service
    if service is not None and services.asked.pod is None and not _is_backend(service, case.target.to_host):
        protocol = case.target.to_protocol
        behind = dict(_behind(service, services.asked.service_port or port, me, world))
        found = {address: each for address, each in behind.items() if protocol in (None, address[2])}
        through = _through_node(case, services.asked, service, found, world)
        found = found if through is None else through
    else:
        found = dict(_plain(case, services, port, me, world)) if port is not None else {}
    return _carried(case, {address: as_it_arrives(each) for address, each in found.items()})


def _carried(case: Case, found: Ways) -> Ways:
    """The same ways, at the port of the mesh's tunnel where that is what was dropped on the way."""
    lost = {(ip, "TCP") for ip in lost_tunnels(case)}  # whatever else a pod sends goes beside the tunnel
    return {
        (ip, HBONE if (ip, protocol) in lost else port, protocol): replace(each, port=HBONE)
        if (ip, protocol) in lost
        else each
        for (ip, port, protocol), each in found.items()
    }


def _through_node(
    case: Case, asked: ResolvedPeer, service: ServiceFacts, behind: Ways, world: PolicyWorld
) -> Ways | None:
    """The two ways of a node port at another node's address, where kube-proxy translates: to that port of that node,
    which is what the pod's own node sees, and from that node to the pods behind. None where it is no such port.

    kube-proxy translates a node port only on the node that has the address, and there puts its own address in the
    client's place. Of a way that is not decided (`node_port_doubt`) there is only what is.
    """
    node, first = world.endpoint_at(asked.host), next(iter(behind.items()), None)
    if asked.service_port is None or asked.port is None or first is None or _kube_proxy_translates(case) is False:
        return None
    (_, _, protocol), way = first
    if not (node.host_network and way.source.node and node.node != way.source.node):
        return None
    if _kube_proxy_translates(case) is None:
        return {}
    front = {(node.ip, asked.port, protocol): Traffic(way.source, node, protocol, asked.port)}
    if service.external_traffic_policy == "Local":
        return front
    return front | {way: replace(each, source=node, service=None, service_ip="") for way, each in behind.items()}


def node_port_doubt(case: Case) -> str:
    """Reason why it is not decided what policies see of the requested node port; empty where it is decided."""
    services = case.get(Services)
    asked, service = (services.asked, services.asked_service) if services is not None else (None, None)
    if asked is None or service is None or asked.pod is not None or _is_backend(service, asked.host):
        return ""
    world = case.once(world_of)
    behind = dict(_behind(service, asked.service_port, target_endpoint(case, world), world))
    if _through_node(case, asked, service, behind, world) is None:
        return ""
    if _kube_proxy_translates(case) is None:
        return "who translates a node port at another node's address is not known: policies see the node or the pod"
    if service.external_traffic_policy == "Local":
        return f"with externalTrafficPolicy Local, {service.ref} may see the pod's address or its node's"
    return ""


def _kube_proxy_translates(case: Case) -> bool | None:
    """None where nobody says whether something else does, and no kube-proxy is seen either."""
    proxy = case.get(KubeProxy)
    replaced = proxy.replaced if proxy is not None else case.environment.kube_proxy_replacement
    if replaced is not None:
        return not replaced
    return True if proxy is not None and proxy.pods else None


def _is_backend(service: ServiceFacts, host: str) -> bool:
    """An address behind the Service (the API server's own, say): its ports are its own, not the Service's."""
    return as_ip(host) is not None and any(as_ip(each.ip) == as_ip(host) for each in service.endpoints or ())


def _behind(
    service: ServiceFacts, port: int | None, me: Endpoint, world: PolicyWorld
) -> Iterator[tuple[PeerAddress, Traffic]]:
    """One way for each endpoint of a Service, ready or not: policy does not ask about readiness."""
    address = service.cluster_ips[0] if service.cluster_ips and not service.headless else ""
    wanted = {each.name: each for each in service.ports if port in (None, each.port)}
    for end in (service.endpoints or ())[:MOST_BACKENDS]:
        for name, number, protocol in end.ports:
            direct = service.headless and port == number
            if name not in wanted and not direct:
                continue
            there = world.endpoint_of_pod(service.namespace, end.pod) if end.pod else None
            said = wanted[name].port if name in wanted else number
            yield (
                (end.ip, number, protocol),
                Traffic(
                    me,
                    there or world.endpoint_at(end.ip),
                    protocol,
                    number,
                    service=(service.namespace, service.name),
                    service_ip=address,
                    service_port=said,
                ),
            )


def _plain(
    case: Case, services: Services, port: int, me: Endpoint, world: PolicyWorld
) -> Iterator[tuple[PeerAddress, Traffic]]:
    host = case.target.to_host or ""
    pod = services.asked.pod if services.asked else None
    protocol = case.target.to_protocol or "TCP"
    endpoint = world.endpoint_of_pod(pod.namespace, pod.name) if pod else None
    if endpoint is not None:
        yield (endpoint.ip, port, protocol), Traffic(me, endpoint, protocol, port)
        return
    for ip in addresses_of(case, host):
        there = world.endpoint_at(ip)
        names = (host,) if as_ip(host) is None else there.fqdns
        yield (ip, port, protocol), Traffic(me, replace(there, fqdns=names), protocol, port)


def addresses_of(case: Case, host: str) -> tuple[str, ...]:
    """Addresses of a host: itself if it is an address, else those that the pod's look-up gave."""
    if address := as_ip(host):
        return (str(address),)
    lookups = case.get(Lookups)
    return lookups.asked.addresses if lookups is not None and lookups.asked is not None else ()


def resolvers_of(case: Case) -> Ways:
    """The pod's DNS resolver as policies see it: the server pods behind the resolver's Service, on UDP and TCP."""
    services, world = case.get(Services), case.once(world_of)
    me, found = target_endpoint(case, world), Ways()
    for server in _nameservers(case):
        ref = services.by_ip.get(server) if services is not None else None
        service = services.find(ref.namespace, ref.name) if services is not None and ref is not None else None
        if service is not None and service.endpoints:
            found |= dict(_behind(service, DNS_PORT, me, world))
        elif ref is None:
            there = _server_at(server, me, world)
            found |= {(server, DNS_PORT, each): Traffic(me, there, each, DNS_PORT) for each in ("UDP", "TCP")}
    return found


def _server_at(server: str, me: Endpoint, world: PolicyWorld) -> Endpoint:
    """A resolver by its address; a link-local one (NodeLocal DNSCache) is on the pod's own node."""
    address = as_ip(server)
    if address is not None and address.is_link_local:
        return Endpoint(ip=server, node=me.node, host_network=True, entities=frozenset({"host"}))
    return world.endpoint_at(server)


def _nameservers(case: Case) -> tuple[str, ...]:
    lookups, services = case.get(Lookups), case.get(Services)
    if lookups is not None and lookups.resolver is not None and lookups.resolver.nameservers:
        return lookups.resolver.nameservers
    pod = case.get(PodFacts)
    if pod is not None and pod.dns_policy == "None":
        return pod.dns_nameservers
    kube_dns = services.find("kube-system", "kube-dns") if services is not None else None
    return kube_dns.cluster_ips if kube_dns is not None else ()


def target_endpoint(case: Case, world: PolicyWorld) -> Endpoint:
    """The pod itself; without its object it has no labels, and hardly any policy selects it."""
    known = world.endpoint_of_pod(case.target.namespace, case.target.pod)
    return known or Endpoint(case.target.namespace, case.target.pod)


def needs_lookup(case: Case) -> bool:
    """Checks whether the asked peer is a name. Without an asked peer a blocked resolver matters to everything."""
    return case.target.to_host is None or as_ip(case.target.to_host) is None
