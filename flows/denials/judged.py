"""The cluster of a case as policies see it, and every connection of the case, judged.

Two sources say what is to be judged: what the pod was seen trying (its hubble flows), and what the question names.
The datapath's word goes before the simulator's; where they differ, the difference is kept, not hidden.
"""

from __future__ import annotations

from dataclasses import replace

from flows.denials.connection import DNS_PORT, JudgedConnection, is_from_target, standing_drop
from flows.denials.endpoints import endpoint_of
from flows.denials.history import is_over, opens_now, was_refused
from flows.denials.main_connection import with_main_connection
from flows.denials.policy_world import world_of
from flows.denials.requested import PeerAddress, Ways, asked_peers, fronts, needs_lookup, resolvers_of
from flows.denials.unseen import unseen, unseen_lookups
from flows.model import Case
from flows.policy import Endpoint, PolicyWorld, Traffic
from flows.symptoms.names import is_named, names_at
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit.addresses import as_ip


def judged_connections(case: Case) -> tuple[JudgedConnection, ...]:
    """Every connection from and to the pod, the most dropped first, then what the question names and nobody saw.

    Raises `Missing` when policies could not be looked at. Without Hubble only the question's own connections remain.
    """
    world = case.once(world_of)
    asked, resolvers = case.once(asked_peers), case.once(resolvers_of)
    seen = [judged(each, world, case, asked, resolvers) for each in _observed(case)]
    seen = with_main_connection(case, seen)
    return (*seen, *unseen(world, asked, seen, False), *unseen_lookups(case, world, resolvers, seen))


def past_drops(case: Case) -> tuple[Connection, ...]:
    """The pod's connections that a policy, now gone, refused: the same connection opens now.

    Raises `Missing` when policies could not be looked at.
    """
    judged = ((each, each.seen) for each in case.once(judged_connections) if each.drop is None)
    return tuple(seen for each, seen in judged if seen is not None and was_refused(each) and opens_now(case, each))


def _observed(case: Case) -> list[Connection]:
    flows = case.get(HubbleFlows)
    found = [each for each in flows.connections if each.icmp is None and _is_ours(case, each)] if flows else []
    return sorted(found, key=lambda each: (-each.packets_dropped, -each.attempts, str(each)))


def _is_ours(case: Case, connection: Connection) -> bool:
    ends = (connection.source, connection.destination)
    return any((end.namespace, end.pod) == (case.target.namespace, case.target.pod) for end in ends)


def judged(connection: Connection, world: PolicyWorld, case: Case, ways: Ways, resolvers: Ways) -> JudgedConnection:
    """One connection that Hubble saw, replayed through the policies."""
    source, destination = endpoint_of(connection.source, world), endpoint_of(connection.destination, world)
    address = (connection.destination.ip, connection.port, connection.protocol)
    mine = is_from_target(case, Traffic(source, destination))
    meant = (ways.get(address) or _in_front(case, source, destination, address)) if mine else None
    lookup = connection.port == DNS_PORT and ((mine and address in resolvers) or _answers_names(destination))
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
    asked = (mine and address in ways) or (named and case.target.to_port in (None, connection.port))
    one = JudgedConnection(
        world.judge(traffic),
        connection,
        asked or (mine and lookup and needs_lookup(case)),
        lookup,
        standing_drop(connection),
    )
    return replace(one, drop=None) if is_over(case, world, one) else one


def _in_front(case: Case, source: Endpoint, destination: Endpoint, address: PeerAddress) -> Traffic | None:
    service, wanted = case.once(fronts).get(address, (None, None))
    if service is None or wanted is None:
        return None
    ref = (service.namespace, service.name)
    return Traffic(
        source,
        destination,
        address[2],
        address[1],
        service=ref,
        service_ip=service.cluster_ips[0],
        service_port=wanted.port,
    )


def _with_names(case: Case, end: Endpoint) -> Endpoint:
    """An address outside with the names that led the pod there, where Hubble knew none."""
    if end.is_pod or end.host_network or end.fqdns:
        return end
    return replace(end, fqdns=names_at(case, end.ip))


def _answers_names(destination: Endpoint) -> bool:
    """A DNS server of the cluster, or a cache on the pod's own node, which is known by its link-local address."""
    labels, address = destination.labels, as_ip(destination.ip)
    if address is not None and address.is_link_local:
        return True
    return labels.get("k8s-app") == "kube-dns" or labels.get("app.kubernetes.io/name") == "coredns"
