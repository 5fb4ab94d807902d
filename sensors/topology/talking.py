"""Reads what a pod talks to (`talks`), and says which connections would try it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from sensors.hubble.gathered import Gathered
from sensors.hubble.lines import FlowQuestion
from sensors.kit.addresses import spelled
from sensors.kit.app_log import LogError, log_errors
from sensors.kit.cluster import Cluster, Dial, Object
from sensors.kit.gathering import gather
from sensors.kit.kinds import POD
from sensors.kit.model import Target
from sensors.kit.objects import items, named, number, text, texts
from sensors.kit.reading import if_readable
from sensors.kit.sockets import read_sockets
from sensors.topology.destination import Destination, destination_at
from sensors.topology.flow_subject import flow_subject
from sensors.topology.peer import AddressBook, service_addresses, slice_owner
from sensors.topology.talks import Talk, in_flows, in_names, in_sockets, in_spec

FLOWS_PATIENCE_S = 3.0
LAST_FLOWS = 200
"""Per node: only to know what the pod talks to."""

LOG_LINES = 200


async def talks_of(target: Target, cluster: Cluster) -> tuple[Talk, ...]:
    """Peers of the pod, the best known first; what cannot be read is simply not known."""
    pods, _ = await if_readable(cluster.objects(POD))
    pod = named(pods or (), target.pod, target.namespace) or {}
    flows, sockets, logged = await asyncio.gather(
        recent_flows(target, cluster), read_sockets(cluster, target.namespace, target.pod), _log(target, cluster, pod)
    )
    tried = in_flows(flows.own.all(), target.namespace, target.pod)
    found = [*tried, *in_sockets(sockets), *in_names(flows.own.dns(), logged), *in_spec(pod)]
    return tuple({(each.host, each.port): each for each in reversed(found)}.values())[::-1]


async def recent_flows(target: Target, cluster: Cluster) -> Gathered:
    """Flows of the pod alone, as far as they come at once: what it talks to, and what is dropped."""
    who = await flow_subject(target, cluster)
    whose = target.namespace, target.pod, who.addresses, who.ports
    question = FlowQuestion(*whose, last=LAST_FLOWS, others=False, listen=False)
    gathered, _ = await if_readable(gather(cluster, question, FLOWS_PATIENCE_S))
    return gathered or Gathered(question)


async def _log(target: Target, cluster: Cluster, pod: Object) -> tuple[LogError, ...]:
    names = [text(each, "name") for each in items(pod, "spec", "containers")]
    reading = (if_readable(cluster.log(target.namespace, target.pod, each, lines=LOG_LINES)) for each in names)
    read = zip(names, await asyncio.gather(*reading), strict=True)
    return tuple(error for name, (log, _) in read if log for error in log_errors(name, log))


# -- what would try it -------------------------------------------------------------------------------------------------


def dials_of(talks: Iterable[Talk], namespace: str, where: AddressBook) -> Iterator[Dial]:
    """The connections that would try these peers: each itself, and the Service address before a backend."""
    for each in talks:
        there = destination_at(each.host, each.port, namespace, where, protocol=each.protocol)
        ports = (each.port,) if each.port else there.service_ports if there.service else ()
        yield from (dial_to(there, spelled(each.host), port) for port in ports)
        yield from (dial_to(there, *front) for port in ports for front in fronts_of(each.host, port, where))


def dial_to(there: Destination, host: str, port: int) -> Dial:
    """One connection as the destination speaks; a DNS server is asked a question."""
    ask = "dns" if there.protocol == "UDP" and there.is_dns else ""
    return Dial(host, port, there.protocol.lower(), ask)


def fronts_of(address: str, port: int, where: AddressBook) -> Iterator[tuple[str, int]]:
    """The address and port of each Service that sends to this backend."""
    for part in where.slices or ():
        if any(address in texts(end, "addresses") for end in items(part, "endpoints")):
            names = {text(row, "name") for row in items(part, "ports") if number(row, "port") == port}
            namespace, name = slice_owner(part)
            service = named(where.services, name, namespace) or {}
            for row in items(service, "spec", "ports"):
                if text(row, "name") in names and (front := number(row, "port")):
                    yield from ((first, front) for first in service_addresses(service)[:1])
