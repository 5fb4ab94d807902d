"""Ways that a change takes away: every way that was open before and is shut after, seen in use or not.

Two kinds are no loss. A port on which no pod behind the way declares, serves or is seen serving anything; and a CIDR
inside the cluster's own ranges, where the datapath never compares a pod with one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any, TypeAlias

from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.model import Case
from flows.policy import Endpoint, Opening, PolicyParty, Traffic
from flows.policy.catalog import CatalogService
from sensors.cni_health import CniHealth
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import get, items, kind_of, name_of, namespace_of, number
from sensors.net_tcp_stats import TcpStats

POOLS = ("cluster-pool-ipv4-cidr",)

WorkloadKey: TypeAlias = tuple[str, str]
"""Namespace, and kind with name (`Deployment web`)."""


def taken_away(case: Case, closed: Iterable[Opening], gives_up: Collection[int] = ()) -> tuple[Opening, ...]:
    """The closed ways that are a loss. `gives_up`: ports that the change takes out of a rule on purpose."""
    return tuple(each for each in closed if not (_is_empty(case, each) or _is_given_up(case, each, gives_up)))


def in_words(case: Case, closed: Iterable[Opening]) -> tuple[str, ...]:
    """Each closed way with how many recorded connections used it; without those that nobody can have used."""
    return tuple(f"{each} ({_uses(case, each)})" for each in usable(case, closed))


def usable(case: Case, closed: Iterable[Opening]) -> tuple[Opening, ...]:
    """The closed ways that somebody can have used."""
    return tuple(each for each in closed if not _is_empty(case, each))


def _uses(case: Case, way: Opening) -> str:
    count = used(case, way)
    return f"{count} recorded {'connection' if count == 1 else 'connections'} used it"


def used(case: Case, way: Opening) -> int:
    """Recorded connections of the case that were opened on this way."""
    seen = (each for each in case.once(judged_connections) if each.seen is not None and _is_on(each.traffic, way))
    return sum(each.seen.opened for each in seen if each.seen is not None)


def _is_on(traffic: Traffic, way: Opening) -> bool:
    port = traffic.port
    held = port is not None and any(low <= port <= high for low, high in way.ports)
    ends = _is_party(traffic.source, way.source) and _is_party(traffic.destination, way.destination)
    return held and traffic.protocol == way.protocol and ends


def _is_party(end: Endpoint, party: PolicyParty) -> bool:
    if party.kind == "workload":
        return (end.namespace, end.workload) == (party.namespace, party.name)
    if party.kind == "cidr":
        return not end.is_pod and _lies_in(end.ip, party.name)
    if party.kind == "fqdn":
        return party.name in end.fqdns
    return party.name in end.entities or ("world" in end.entities and party.name.startswith("world"))


def _lies_in(ip: str, cidr: str) -> bool:
    try:
        return ip_address(ip) in ip_network(cidr, strict=False)
    except ValueError:
        return False


# -- addresses that nobody has ---------------------------------------------------------------------------------------


def _is_empty(case: Case, way: Opening) -> bool:
    return any(each.kind == "cidr" and is_nobody_s(case, each.name) for each in (way.source, way.destination))


def is_nobody_s(case: Case, cidr: Any) -> bool:
    """Checks whether a block lies within the addresses of pods or Services, and policies never compare one with those.

    A block *around* them is another matter: the rest of it belongs to somebody.
    """
    profile = case.once(world_of).profile
    own = (*case.environment.pod_cidrs, *_pools(case)) if profile.cidr_matches_pods is False else ()
    hidden = case.environment.service_cidrs if profile.sees_service_address is False else ()
    return any(_is_within(str(cidr), each) for each in (*own, *hidden))


def _pools(case: Case) -> list[str]:
    """The range of which nodes get a part each, where Cilium hands them out (its ConfigMap, `ipam: cluster-pool`)."""
    health = case.get(CniHealth)
    config = health.config if health is not None else {}
    return [each for key in POOLS for each in config.get(key, "").replace(",", " ").split()]


def _is_within(cidr: str, around: str) -> bool:
    try:
        block, whole = ip_network(cidr, strict=False), ip_network(around, strict=False)
    except ValueError:
        return False
    return block.version == whole.version and block.subnet_of(whole)  # type: ignore[arg-type]


# -- ports that nobody serves ----------------------------------------------------------------------------------------


def _is_given_up(case: Case, way: Opening, gives_up: Collection[int]) -> bool:
    """A port that a rule no longer names, on a workload that has nothing there."""
    there = way.destination
    numbers = [low for low, high in way.ports if low == high]
    if there.kind != "workload" or len(numbers) < len(way.ports) or not set(numbers) <= set(gives_up):
        return False
    return not any(_may_serve(case, (there.namespace, there.name), each) for each in numbers)


def _may_serve(case: Case, workload: WorkloadKey, port: int) -> bool:
    """True if a pod of the workload declares, serves or is asked on a port; one that declares none may serve any.

    Even of those, none serves what is only a Service's own name for another port.
    """
    ends, pods = _ends(case, workload), _objects(case, workload)
    if port in {*_targets(case, ends), *_answering(case, workload), *_listening(case, ends)}:
        return True
    declared = [frozenset(_declared(each)) for each in pods]
    if any(port in each for each in declared):
        return True
    return not (declared and all(declared)) and not _is_service_port_only(case, ends, port)


def _ends(case: Case, workload: WorkloadKey) -> list[Endpoint]:
    pods = case.once(world_of).inventory.pods.values()
    return [each for each in pods if (each.namespace, each.workload) == workload]


def _objects(case: Case, workload: WorkloadKey) -> list[Mapping[str, Any]]:
    names = {each.pod for each in _ends(case, workload)}
    here = (each for each in case[Policies].objects if kind_of(each) == "Pod" and namespace_of(each) == workload[0])
    return [each for each in here if name_of(each) in names]


def _declared(pod: Mapping[str, Any]) -> Iterator[int]:
    """Ports that the pod's own object names: declared ones and those of its probes."""
    for container in (*items(pod, "spec", "containers"), *items(pod, "spec", "initContainers")):
        yield from (found for each in items(container, "ports") if (found := number(each, "containerPort")) is not None)
        for probe, how in product(
            ("readinessProbe", "livenessProbe", "startupProbe"), ("httpGet", "tcpSocket", "grpc")
        ):
            if (found := number(get(container, probe, how), "port")) is not None:
                yield found


def _services(case: Case, ends: Iterable[Endpoint]) -> list[CatalogService]:
    """Services that send to one of these pods."""
    ends, known = tuple(ends), case.once(world_of).catalog.services.values()
    mine = (each for each in known if each.selector and each.namespace in {end.namespace for end in ends})
    return [each for each in mine if any((each.selector or {}).items() <= end.labels.items() for end in ends)]


def _targets(case: Case, ends: Iterable[Endpoint]) -> Iterator[int]:
    """Target ports of Services on these pods."""
    ends = tuple(ends)
    for port in (port for service in _services(case, ends) for port in service.ports):
        if isinstance(port.target, int):
            yield port.target
            continue
        yield from (
            end.named_ports[port.target, port.protocol]
            for end in ends
            if (port.target, port.protocol) in end.named_ports
        )


def _listening(case: Case, ends: Iterable[Endpoint]) -> Iterator[int]:
    stats, names = case.get(TcpStats), {(each.namespace, each.pod) for each in ends}
    for pod in stats.peers if stats is not None else ():
        if (pod.namespace, pod.pod) in names:
            yield from (each.port for each in pod.listeners if not each.on_loopback)


def _answering(case: Case, workload: WorkloadKey) -> Iterator[int]:
    """Ports on which a recorded connection was opened."""
    for each in case.once(judged_connections):
        there, port = each.traffic.destination, each.traffic.port
        if each.works and port is not None and (there.namespace, there.workload) == workload:
            yield port


def _is_service_port_only(case: Case, ends: Iterable[Endpoint], port: int) -> bool:
    """Checks whether the port is that of a Service in front of the pods, which leads to another one."""
    ports = [each for service in _services(case, ends) for each in service.ports]
    return any(each.port == port != each.target for each in ports)
