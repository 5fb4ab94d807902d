"""The packets leave the node and nobody outside answers; nothing here stands in the way.

Proof: the peer is outside the cluster, hubble saw its SYNs forwarded towards the network, none was answered and none
dropped, and the probe times out. Not to be mistaken for a denial by policy, nor for an address that only looks
outside: a wrong port of a Service, a gone pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from flows.belief import ATTESTED, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.ranges import may_be_a_pods
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.net_connect import Connects
from sensors.topology.peer import AskedKind


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        silent = [
            each
            for each in peer.connections
            if each.outcome in (ConnectionOutcome.UNANSWERED, ConnectionOutcome.REFUSED)
        ]
        denied = any(each.packets_dropped for each in peer.connections)
        if silent and not denied and _is_outside(case, peer) and not any(attempt.is_open for attempt in peer.doors):
            yield _finding(case, peer, sum(each.attempts for each in silent), weight)


def _is_outside(case: Case, peer: Peer) -> bool:
    services = case.get(Services)
    if peer.service or (peer.asked and services and services.asked and services.asked.kind is not AskedKind.EXTERNAL):
        return False
    if not all("world" in _entities(each.destination.entities) for each in peer.connections):
        return False
    return not any(_inside(case, each.destination.ip) for each in peer.connections)


def _entities(said: tuple[str, ...]) -> set[str]:
    return {"world" if each.startswith("world") else each for each in said}


def _inside(case: Case, text: str) -> bool:
    """An address of the cluster's own ranges is not outside, whatever the datapath took it for."""
    try:
        address = ip_address(text)
        ranges = [ip_network(each, strict=False) for each in _service_ranges(case, text)]
    except ValueError:
        return True
    own = any(address in each for each in ranges if each.version == address.version)
    return own or may_be_a_pods(case, text)


def _service_ranges(case: Case, text: str) -> tuple[str, ...]:
    """Address ranges of Services: as the cluster was described, else beside those that are known.

    Where nobody said and no Service could be read, an address that is not public may be one.
    """
    services = case.get(Services)
    if case.environment.service_cidrs:
        return case.environment.service_cidrs
    if services is None:
        return (text,) if ip_address(text).is_private else ()
    near = (f"{ip}/{112 if ':' in ip else 16}" for each in services.services for ip in each.cluster_ips)
    return (*services.by_ip, *near)


def _finding(case: Case, peer: Peer, attempts: int, weight: float) -> Finding:
    there = peer.connections[0].destination
    timeout = next((attempt for attempt in peer.doors if attempt.result == "timeout"), None)
    probed = f"; a connection tried from inside the pod times out ({timeout.where})" if timeout else ""
    refuses = any(each.outcome is ConnectionOutcome.REFUSED for each in peer.connections)
    does = "refuses the connection" if refuses else "does not answer"
    came = "were refused by it" if refuses else "not one was answered"
    why = "nothing listens there, or a firewall rejects it" if refuses else "firewall, route, or the host is down"
    return Finding(
        cause_class="external.unreachable",
        cause=f"{peer.host} outside the cluster {does}: packets leave the node, and nothing here denies them",
        component=Component("External", "", peer.host if peer.asked else there.names[0] if there.names else there.ip),
        belief=(ATTESTED if timeout else PROBABLE) * weight,
        because=f"{attempts} attempts to {there} were forwarded to the network and {came}{probed}",
        shown_by=(HubbleFlows, Connects),
        recommendation=f"Ask the operators of {peer.host}, or the network between: {why}.",
    )


RULE = Rule(id="path-external", judge=judge, causes=("external.unreachable",), needs=(HubbleFlows,))
