"""The cluster of a case as policies see it, and every connection of the case, judged.

Two sources say what is to be judged: what the pod was seen trying (its hubble flows), and what the question names.
The datapath's word goes before the simulator's; where they differ, the difference is kept, not hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from flows.denials.tunnels import as_it_arrives
from flows.model import Case
from flows.policy import (
    AWS_VPC_CNI,
    CALICO_IPTABLES,
    UNKNOWN,
    Endpoint,
    Enforcement,
    Judgement,
    Profile,
    Traffic,
    World,
)
from flows.policy.profile import cilium
from flows.symptoms.names import is_named, names_at
from flows.symptoms.peers import subject
from sensors.cni_health import CniHealth
from sensors.dns_lookup import Lookups
from sensors.hubble.connections import Connection, Drop, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import LogTrouble, PodFacts
from sensors.k8s_services import ServiceFacts, ServicePort, Services
from sensors.kit.addresses import as_ip
from sensors.net_connect import Connects, Role

POLICY_DENIED, POLICY_DENY, AUTH_REQUIRED = 133, 181, 189
POLICY_DROPS = frozenset({POLICY_DENIED, POLICY_DENY, AUTH_REQUIRED})
DNS_PORT = 53
NOT_ENFORCING = frozenset({"flannel", "bridge"})
"""Network plug-ins without any policy engine (flannel's own documentation; the CNI reference plug-in `bridge`)."""

NO_CONNECTION = frozenset({LogTrouble.TIMEOUT, LogTrouble.CONNECT, LogTrouble.UNREACHABLE})
YOUNG = timedelta(seconds=30)
START = timedelta(seconds=10)
MOST_DOORS = 20

Door: TypeAlias = tuple[str, int, str]
"""Address, port and protocol, as policies see them."""
Doors: TypeAlias = dict[Door, Traffic]


# -- the world -------------------------------------------------------------------------------------------------------


def world_of(case: Case) -> World:
    """The policy simulator over the objects that were read. Raises `Missing` when policies could not be looked at."""
    return World.of(case[Policies].objects, profile_of(case))


def profile_of(case: Case) -> Profile:
    """What the datapath in front of us compares: by the network plug-in and its own settings."""
    cni, version = case.environment.cni or "", case.environment.cni_version or ""
    health = case.get(CniHealth)
    if not cni and health is not None:
        cni, version = health.cni, health.version
    if not cni and case.get(HubbleFlows) is not None:
        cni = "cilium"  # nobody else sends hubble flows
    if cni == "cilium":
        return _cilium(version, health.config if health is not None else {})
    return {"calico": CALICO_IPTABLES, "aws-vpc-cni": AWS_VPC_CNI}.get(cni, UNKNOWN)


def _cilium(version: str, config: Mapping[str, str]) -> Profile:
    """Settings of the ConfigMap cilium-config. Source: Cilium `Documentation/cmdref/cilium-agent.md`."""
    modes = config.get("policy-cidr-match-mode", "").replace(",", " ").split()
    known = {each.value: each for each in Enforcement}
    return cilium(
        version,
        cidr_matches_nodes="nodes" in modes,
        cidr_matches_pods="pods" in modes,
        cluster_network_policy=config.get("enable-k8s-cluster-network-policy") == "true",
        filters_labels="labels" not in config,  # a filter of one's own replaces the default one; it is not read here
        local_node_allowed=config.get("allow-localhost") != "policy",
        enforcement=known.get(config.get("enable-policy", ""), Enforcement.DEFAULT),
        cluster_name=config.get("cluster-name") or "default",
        **({"local_cluster_only": config[_LOCAL] == "true"} if _LOCAL in config else {}),
        **({"default_deny_options": False} if config.get("enable-non-default-deny-policies") == "false" else {}),
    )


_LOCAL = "policy-default-local-cluster"


def only_audits(case: Case) -> bool:
    """Whether the datapath reports denials and lets the packets through (policy audit mode)."""
    health = case.get(CniHealth)
    return health is not None and health.config.get("policy-audit-mode") == "true"


def enforces(case: Case) -> bool:
    """False where the network plug-in is known to have no policy engine."""
    return (case.environment.cni or "") not in NOT_ENFORCING


# -- the connections -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """One connection, judged.

    `seen` is what Hubble saw of it, None where nobody saw it and only the question names it. `asked`: it is what the
    complaint is about (or the look-up it needs). `lookup`: it goes to the pod's DNS resolver. `drop` is the policy drop
    that still stands; None where nothing was dropped, or where it went through afterwards.
    """

    judgement: Judgement
    seen: Connection | None = None
    asked: bool = False
    lookup: bool = False
    drop: Drop | None = None

    @property
    def traffic(self) -> Traffic:
        return self.judgement.traffic

    @property
    def works(self) -> bool:
        """Hubble saw it open, and no policy has dropped it since."""
        return self.seen is not None and self.seen.opened > 0 and self.drop is None

    @property
    def packets(self) -> int:
        """Dropped packets the datapath reported, at least one for what is only computed."""
        return sum(each.packets for each in policy_drops(self.seen)) if self.seen is not None else 1


def tried(case: Case) -> tuple[Tried, ...]:
    """Every connection from and to the pod, the most dropped first, then what the question names and nobody saw.

    Raises `Missing` when policies could not be looked at. Without Hubble only the question's own connections remain.
    """
    world = case.once(world_of)
    doors, resolvers = case.once(asked_doors), case.once(resolver_doors)
    seen = [_seen(each, world, case, doors, resolvers) for each in _observed(case)]
    seen = _with_complaint(case, seen)
    unseen = [*_unseen(world, doors, seen, False), *_unseen_lookups(case, world, resolvers, seen)]
    return (*seen, *unseen)


def policy_drops(connection: Connection | None) -> tuple[Drop, ...]:
    """The drops of a connection by which a policy refused a question, not an answer."""
    drops = connection.drops if connection is not None else ()
    return tuple(each for each in drops if each.number in POLICY_DROPS and not each.of_reply)


def standing_drop(connection: Connection) -> Drop | None:
    """The policy drop that still stands: nothing was let through after the last one."""
    drops = policy_drops(connection)
    if not drops or connection.only_at_start:
        return None
    last, through = connection.last_drop, connection.last_forwarded
    if connection.opened and last is not None and through is not None and through > last:
        return None
    return drops[0]


def _observed(case: Case) -> list[Connection]:
    flows = case.get(HubbleFlows)
    found = [each for each in flows.connections if each.icmp is None and _is_ours(case, each)] if flows else []
    return sorted(found, key=lambda each: (-each.packets_dropped, -each.attempts, str(each)))


def _is_ours(case: Case, connection: Connection) -> bool:
    ends = (connection.source, connection.destination)
    return any((end.namespace, end.pod) == (case.target.namespace, case.target.pod) for end in ends)


def is_from_target(case: Case, traffic: Traffic) -> bool:
    return (traffic.source.namespace, traffic.source.pod) == (case.target.namespace, case.target.pod)


def _seen(connection: Connection, world: World, case: Case, doors: Doors, resolvers: Doors) -> Tried:
    source, destination = _end(connection.source, world), _end(connection.destination, world)
    door = (connection.destination.ip, connection.port, connection.protocol)
    mine = is_from_target(case, Traffic(source, destination))
    meant = (doors.get(door) or _in_front(case, source, destination, door)) if mine else None
    lookup = connection.port == DNS_PORT and ((mine and door in resolvers) or _answers_names(destination))
    destination = _with_names(case, destination) if mine else destination
    named = mine and case.target.to_host is not None and is_named(case, case.target.to_host, destination.fqdns)
    traffic = Traffic(
        source,
        destination,
        connection.protocol,
        connection.port,
        service=meant.service if meant else None,
        service_ip=meant.service_ip if meant else "",
        service_port=meant.service_port if meant else None,
    )
    asked = (mine and door in doors) or (named and case.target.to_port in (None, connection.port))
    return Tried(
        world.judge(traffic),
        connection,
        asked or (mine and lookup and needs_lookup(case)),
        lookup,
        standing_drop(connection),
    )


def _with_names(case: Case, end: Endpoint) -> Endpoint:
    """An address outside with the names that led the pod there, where Hubble knew none."""
    if end.is_pod or end.host_network or end.fqdns:
        return end
    return replace(end, fqdns=names_at(case, end.ip))


def fronts(case: Case) -> Mapping[Door, tuple[ServiceFacts, ServicePort]]:
    """The Service before each backend's door, where exactly one Service has it: how the door is usually reached."""
    services, found = case.get(Services), defaultdict[Door, list[tuple[ServiceFacts, ServicePort]]](list)
    for each in services.services if services is not None else ():
        wanted = {known.name: known for known in each.ports} if each.cluster_ips and not each.headless else {}
        for end in each.endpoints or ():
            for name, number, protocol in end.ports:
                if name in wanted:
                    found[(end.ip, number, protocol)].append((each, wanted[name]))
    return {door: listed[0] for door, listed in found.items() if len(listed) == 1}


def _in_front(case: Case, source: Endpoint, destination: Endpoint, door: Door) -> Traffic | None:
    service, wanted = case.once(fronts).get(door, (None, None))
    if service is None or wanted is None:
        return None
    ref = (service.namespace, service.name)
    return Traffic(
        source, destination, door[2], door[1], service=ref, service_ip=service.cluster_ips[0], service_port=wanted.port
    )


def _answers_names(destination: Endpoint) -> bool:
    """A DNS server of the cluster, or a cache on the pod's own node, which is known by its link-local address."""
    labels, address = destination.labels, as_ip(destination.ip)
    if address is not None and address.is_link_local:
        return True
    return labels.get("k8s-app") == "kube-dns" or labels.get("app.kubernetes.io/name") == "coredns"


def needs_lookup(case: Case) -> bool:
    """Whether the asked peer is a name. Without an asked peer a blocked resolver matters to everything."""
    return case.target.to_host is None or as_ip(case.target.to_host) is None


def _end(party: Party, world: World) -> Endpoint:
    """One side as the datapath saw it: the object we know, with the entities and names Hubble adds."""
    known = world.endpoint_of_pod(party.namespace, party.pod) if party.pod else None
    if known is not None and _cluster_of(party) in ("", world.profile.cluster_name):
        return known if known.host_network else replace(known, ip=party.ip or known.ip)
    if party.pod or party.namespace:
        return _from_labels(party)
    there = world.endpoint_at(party.ip)
    if there.is_pod or not party.entities:
        return replace(there, fqdns=party.names or there.fqdns)
    said = frozenset(party.entities)  # the datapath's own words go before what the address looks like
    return replace(
        there,
        entities=said | (there.entities & {"kube-apiserver"}),
        host_network=there.host_network or bool(said & {"host", "remote-node"}),
        fqdns=party.names or there.fqdns,
    )


def _from_labels(party: Party) -> Endpoint:
    """A pod that is gone by now, from the labels of its identity. Label forms: Cilium `pkg/k8s/apis/cilium.io`."""
    pairs = dict(label.partition("=")[::2] for label in party.labels)
    pod_labels = {key[4:]: value for key, value in pairs.items() if key.startswith("k8s:")}
    prefix = "io.cilium.k8s.namespace.labels."
    spaces = {key.removeprefix(prefix): value for key, value in pod_labels.items() if key.startswith(prefix)}
    foreign = ("io.cilium.k8s.", "io.kubernetes.pod.")
    own = {key: value for key, value in pod_labels.items() if not key.startswith(foreign)}
    account = pod_labels.get("io.cilium.k8s.policy.serviceaccount", "")
    workload = f"Deployment {party.workload}" if party.workload else ""
    end = Endpoint(party.namespace, party.pod, own, spaces, party.ip, workload=workload, service_account=account)
    return replace(end, cluster=_cluster_of(party))


def _cluster_of(party: Party) -> str:
    """The cluster of a mesh that an identity is of; "" where its labels do not say."""
    labels = (each.removeprefix("k8s:").partition("=") for each in party.labels)
    return next((value for key, _, value in labels if key == "io.cilium.k8s.policy.cluster"), "")


def _with_complaint(case: Case, seen: list[Tried]) -> list[Tried]:
    """Without an asked peer, the refused connection the pod retries most is the complaint.

    Where nothing of its own is refused, it is what others are refused at a door that the pod has: a scanner that
    knocks where there is no door has no cause to complain.
    """
    if case.target.to_host is not None:
        return seen
    refused = [each for each in seen if (each.drop is not None or _is_denied(each)) and not _is_stray(case, each)]
    own = [each for each in refused if is_from_target(case, each.traffic)]
    worst = max(own or [each for each in refused if _has_door(case, each)], key=_tries, default=None)
    return [replace(each, asked=True) if each is worst else each for each in seen]


def _tries(one: Tried) -> int:
    return one.seen.attempts if one.seen is not None else 0


def _is_stray(case: Case, one: Tried) -> bool:
    """Meant for a pod that is gone (a rollout), which no policy need admit; or a look-up while every name resolves."""
    if one.traffic.destination.is_pod:
        return False
    lookups = case.get(Lookups)
    fine = lookups is not None and lookups.cluster_dns_works is True
    return (fine and one.traffic.port == DNS_PORT) or _was_a_pod(case, one.traffic.destination)


def _was_a_pod(case: Case, end: Endpoint) -> bool:
    """An address among those of pods that is no living pod's: in a pod range, or beside pods that are there."""
    address = as_ip(end.ip)
    if address is None or end.is_pod or end.host_network or end.node:
        return False
    return any(address in each for each in case.once(_pod_ranges) if each.version == address.version)


def _pod_ranges(case: Case) -> tuple[IPv4Network | IPv6Network, ...]:
    """The ranges the cluster is known to give to pods; a /24 (or /120) is the smallest that plug-ins give a node."""
    beside = [each.ip for each in case.once(world_of).inventory.pods.values() if each.ip and not each.host_network]
    told = (*case.environment.pod_cidrs, *(f"{ip}/{120 if ':' in ip else 24}" for ip in beside))
    return tuple(dict.fromkeys(found for each in told if (found := _network(each)) is not None))


def _network(cidr: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None


def _is_denied(one: Tried) -> bool:
    """A proxy refused its requests."""
    return one.seen is not None and one.seen.denied > 0


def _has_door(case: Case, one: Tried) -> bool:
    """The pod declares the port, or a Service sends there."""
    pod, traffic = case.get(PodFacts), one.traffic
    declared = {each.port for box in (pod.containers if pod is not None else ()) for each in box.ports}
    return traffic.port in declared or (traffic.destination.ip, traffic.port, traffic.protocol) in case.once(fronts)


# -- what the question names -----------------------------------------------------------------------------------------


def asked_doors(case: Case) -> Doors:
    """Where the asked peer really is, behind its Service or name. Empty without one, or where nobody knows it.

    Where nobody asked, it is the Service to which the pod's own log says that it cannot connect.
    """
    services, world = case.get(Services), case.once(world_of)
    me = _target_endpoint(case, world)
    if case.target.to_host is None:
        peer = subject(case)
        blocked = peer is not None and any(each.trouble in NO_CONNECTION for each in peer.logged)
        return dict(_behind(peer.service, peer.port, me, world)) if peer and peer.service and blocked else {}
    if services is None or services.asked is None:
        return {}
    port = case.target.to_port if case.target.to_port is not None else services.asked.port
    service = services.asked_service
    if service is not None and services.asked.pod is None and not _is_backend(service, case.target.to_host):
        found = dict(_behind(service, services.asked.service_port or port, me, world))
    else:
        found = dict(_plain(case, services, port, me, world)) if port is not None else {}
    return {door: as_it_arrives(case, each) for door, each in found.items()}


def _is_backend(service: ServiceFacts, host: str) -> bool:
    """An address behind the Service (the API server's own, say): its ports are its own, not the Service's."""
    return as_ip(host) is not None and any(as_ip(each.ip) == as_ip(host) for each in service.endpoints or ())


def _behind(service: ServiceFacts, port: int | None, me: Endpoint, world: World) -> Iterator[tuple[Door, Traffic]]:
    """One door for each endpoint of a Service, ready or not: policy does not ask about readiness."""
    address = service.cluster_ips[0] if service.cluster_ips and not service.headless else ""
    wanted = {each.name: each for each in service.ports if port in (None, each.port)}
    for end in (service.endpoints or ())[:MOST_DOORS]:
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


def _plain(case: Case, services: Services, port: int, me: Endpoint, world: World) -> Iterator[tuple[Door, Traffic]]:
    host = case.target.to_host or ""
    pod = services.asked.pod if services.asked else None
    endpoint = world.endpoint_of_pod(pod.namespace, pod.name) if pod else None
    if endpoint is not None:
        yield (endpoint.ip, port, "TCP"), Traffic(me, endpoint, "TCP", port)
        return
    for ip in addresses_of(case, host):
        there = world.endpoint_at(ip)
        names = (host,) if as_ip(host) is None else there.fqdns
        yield (ip, port, "TCP"), Traffic(me, replace(there, fqdns=names), "TCP", port)


def addresses_of(case: Case, host: str) -> tuple[str, ...]:
    """What a host means: itself if it is an address, else what looking it up in the pod gave."""
    if address := as_ip(host):
        return (str(address),)
    lookups = case.get(Lookups)
    return lookups.asked.addresses if lookups is not None and lookups.asked is not None else ()


def resolver_doors(case: Case) -> Doors:
    """The pod's DNS resolver as policies see it: the server pods behind the resolver's Service, on UDP and TCP."""
    services, world = case.get(Services), case.once(world_of)
    me, found = _target_endpoint(case, world), Doors()
    for server in _nameservers(case):
        ref = services.by_ip.get(server) if services is not None else None
        service = services.find(ref.namespace, ref.name) if services is not None and ref is not None else None
        if service is not None and service.endpoints:
            found |= dict(_behind(service, DNS_PORT, me, world))
        elif ref is None:
            there = _server_at(server, me, world)
            found |= {(server, DNS_PORT, each): Traffic(me, there, each, DNS_PORT) for each in ("UDP", "TCP")}
    return found


def _server_at(server: str, me: Endpoint, world: World) -> Endpoint:
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


def _target_endpoint(case: Case, world: World) -> Endpoint:
    """The pod itself; without its object it has no labels, and hardly any policy selects it."""
    known = world.endpoint_of_pod(case.target.namespace, case.target.pod)
    return known or Endpoint(case.target.namespace, case.target.pod)


# -- what nobody saw -------------------------------------------------------------------------------------------------


def _unseen(world: World, doors: Doors, seen: Iterable[Tried], lookup: bool) -> list[Tried]:
    """The question's connections that Hubble did not see, one for each kind of endpoint."""
    known = [(_class_of(each.traffic), each.traffic.port) for each in seen]
    found: dict[tuple[tuple[str, str], int | None, str], Tried] = {}
    for traffic in doors.values():
        kind = _class_of(traffic)
        if (kind, traffic.port) not in known:
            found.setdefault((kind, traffic.port, traffic.protocol), Tried(world.judge(traffic), None, True, lookup))
    return list(found.values())


def _class_of(traffic: Traffic) -> tuple[str, str]:
    there = traffic.destination
    return (there.namespace, there.workload or there.pod) if there.is_pod else ("", there.ip)


def _unseen_lookups(case: Case, world: World, resolvers: Doors, seen: Iterable[Tried]) -> list[Tried]:
    """The look-up nobody saw, where looking up is known to get no answer."""
    lookups = case.get(Lookups)
    if not needs_lookup(case) or lookups is None or not lookups.no_server_answers:
        return []
    return _unseen(world, {door: each for door, each in resolvers.items() if door[2] == "UDP"}, seen, True)


# -- probes ----------------------------------------------------------------------------------------------------------


def probe_says(case: Case, one: Tried) -> bool | None:
    """Whether a connection tried from inside the pod opened; None where this one was not tried."""
    if one.lookup:
        lookups = case.get(Lookups)
        return None if lookups is None else not lookups.no_server_answers
    connects = case.get(Connects)
    doors = [each for each in connects.doors if _is_door(each.host, each.port, each.address, one)] if connects else []
    asked = [each for each in doors if each.role in (Role.PEER, Role.SERVICE, Role.BACKEND)] or doors
    return any(each.is_open for each in asked) if asked else None


def _is_door(host: str, port: int, address: str | None, one: Tried) -> bool:
    traffic = one.traffic
    direct = traffic.destination.ip in (host, address) and port == traffic.port
    service = bool(traffic.service_ip) and traffic.service_ip in (host, address) and port == traffic.service_port
    return direct or service
