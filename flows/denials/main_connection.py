"""The refused connection that an investigation is about, where the question names no peer."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from flows.denials.connection import DNS_PORT, JudgedConnection, is_from_target
from flows.denials.policy_world import world_of
from flows.denials.requested import fronts
from flows.model import Case
from flows.policy import Endpoint
from sensors.dns_lookup import Lookups
from sensors.k8s_pod import PodFacts
from sensors.kit.addresses import as_ip


def with_main_connection(case: Case, seen: list[JudgedConnection]) -> list[JudgedConnection]:
    """Marks as requested the refused connection that the pod retries most, where the question names no peer.

    Where nothing of its own is refused, it is what others are refused at a port that the pod serves: a scanner that
    tries a port without a listener has no cause to complain.
    """
    if case.target.to_host is not None:
        return seen
    refused = [each for each in seen if (each.drop is not None or _is_denied(each)) and not _is_stray(case, each)]
    own = [each for each in refused if is_from_target(case, each.traffic)]
    worst = max(own or [each for each in refused if _is_served(case, each)], key=_tries, default=None)
    return [replace(each, asked=True) if each is worst else each for each in seen]


def _tries(one: JudgedConnection) -> int:
    return one.seen.attempts if one.seen is not None else 0


def _is_stray(case: Case, one: JudgedConnection) -> bool:
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


def _is_denied(one: JudgedConnection) -> bool:
    """A proxy refused its requests."""
    return one.seen is not None and one.seen.denied > 0


def _is_served(case: Case, one: JudgedConnection) -> bool:
    """The pod declares the port, or a Service sends there."""
    pod, traffic = case.get(PodFacts), one.traffic
    declared = {each.port for box in (pod.containers if pod is not None else ()) for each in box.ports}
    return traffic.port in declared or (traffic.destination.ip, traffic.port, traffic.protocol) in case.once(fronts)
