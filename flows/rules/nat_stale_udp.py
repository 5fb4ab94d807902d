"""A sender of UDP with one socket keeps going to a pod that is gone: the node's connection table still says so.

Proof: datagrams from one source port to an address that only pods can have and no pod has, on a port behind which a
Service now has other backends. The Service's address was translated once, and an entry that is used all the time never
expires. Not to be mistaken for a TCP client that remembers an address, nor for a Service without backends.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASKED, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, asked_peer, suspects
from flows.symptoms.ranges import is_pods_alone
from flows.symptoms.target_port import ports_behind
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import ServiceFacts, Services

LOST_OUTCOMES = (ConnectionOutcome.UNANSWERED, ConnectionOutcome.DROPPED, ConnectionOutcome.UNKNOWN)


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        for each in peer.connections:
            service = _now_behind(case, each) if _is_stuck(case, each) else None
            if service is not None:
                yield _finding(case, peer, each, service, ASKED if _is_asked(case, service, each) else weight)


def _is_stuck(case: Case, each: Connection) -> bool:
    there = each.destination
    gone = not there.pod and is_pods_alone(case, there.ip)
    return each.protocol == "UDP" and each.outcome in LOST_OUTCOMES and gone and not _is_backend(case, there.ip)


def _is_backend(case: Case, ip: str) -> bool:
    return any(end.ip == ip for each in case[Services].services for end in each.endpoints or ())


def _now_behind(case: Case, each: Connection) -> ServiceFacts | None:
    """The Service whose backends take UDP on this port now."""
    for service in case[Services].services:
        ports = {(number, protocol) for end in service.ready_endpoints or () for _, number, protocol in end.ports}
        if (each.port, "UDP") in ports:
            return service
    return None


def _is_asked(case: Case, service: ServiceFacts, each: Connection) -> bool:
    """The question names that very Service and port: the old address is what its address was translated to."""
    asked = asked_peer(case)
    if asked is None or asked.service is None or asked.service.ref != service.ref or asked.service_port is None:
        return False
    return asked.service_port.protocol == each.protocol and each.port in ports_behind(asked)


def _finding(case: Case, peer: Peer, each: Connection, service: ServiceFacts, weight: float) -> Finding:
    ends = ", ".join(sorted({end.ip for end in service.ready_endpoints or ()})[:3])
    nodes = case.get(Nodes)
    node = nodes.target_node if nodes and nodes.target_node else ""
    return Finding(
        cause_class="nat.stale_udp",
        cause=(
            f"{case.target} still sends UDP {each.port} to {each.destination.ip}, a pod that is gone; "
            f"{service.ref} has its backends at {ends} now"
        ),
        component=Component("Node", "", node) if node else owner(case),
        belief=PROBABLE * weight,
        because=f"{each} goes on without an answer; no pod has {each.destination.ip}, which lies in a pod range",
        shown_by=(HubbleFlows, Services, Nodes),
        recommendation=(
            f"Restart the pods of {owner(case)}, or delete that one entry of the connection table on "
            f"{node or 'its node'} (conntrack -D -p udp --reply-src {each.destination.ip}); let the sender open a new "
            "socket now and then."
        ),
    )


RULE = Rule(id="nat-stale-udp", judge=judge, causes=("nat.stale_udp",), needs=(HubbleFlows, Services))
