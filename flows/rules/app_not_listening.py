"""The packets arrive and the pod itself refuses them: no process listens on the port, or only on loopback.

Proof: connections are delivered and answered with a reset on the port the container declares; the destination's own
socket table shows a listener on 127.0.0.1 only, or on other ports, or none; or a node refuses at its own address; or
one ready pod of several refuses and the
others of its workload answer. Not to be mistaken for a Service that
points at a port which its pods do not even declare, for a Service without backends, nor for a process that listens in
one family of addresses and is called in the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, CONFIRMED, PLAUSIBLE, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import is_recent
from flows.symptoms.families import unheard
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.target_port import aim_of, is_refused, open_elsewhere, ports_behind, sockets_behind
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import NodeFacts, Nodes
from sensors.k8s_services import ServiceFacts, Services
from sensors.net_connect import Connects, Role
from sensors.net_tcp_stats import TcpStats


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        ports = ports_behind(peer)
        if node := _refusing_node(case, peer):
            yield _at_a_node(peer, node, weight)
        elif ports and is_refused(peer) and not _some_answer(peer) and unheard(case, peer) is None:
            yield from _judge_peer(case, peer, ports, weight)
        elif ports and peer.service and _some_answer(peer):
            yield from _one_of_many(case, peer, peer.service, weight)


def _some_answer(peer: Peer) -> bool:
    """Other pods behind the same Service do answer: then it is not the program that does not listen."""
    return any(attempt.role is Role.BACKEND and attempt.is_open for attempt in peer.doors)


def _judge_peer(case: Case, peer: Peer, ports: tuple[int, ...], weight: float) -> Iterator[Finding]:
    sockets, port = sockets_behind(case, peer), ports[0]
    if peer.service and peer.service_port and aim_of(case, peer.service, peer.service_port):
        return
    loopback = any(each.listens_only_on_loopback(port) for each in sockets)
    nobody = any(each.does_not_listen_on(port) for each in sockets)
    if loopback or nobody or _declared(peer, port):
        ends = peer.service.endpoints or () if peer.service else ()
        addresses = frozenset((peer.host, *(each.ip for each in ends)))
        yield _finding(peer, port, loopback, nobody, open_elsewhere(case, addresses, sockets, port), weight)


# -- a node's own address ---------------------------------------------------------------------------------------------


def _refusing_node(case: Case, peer: Peer) -> NodeFacts | None:
    """The node at whose own address every attempt is refused, where no Service is offered at that port of nodes."""
    nodes, refused = case.get(Nodes), [each.result for each in peer.doors] or ["none"]
    offered = {each.node_port for service in case[Services].services for each in service.ports}
    if nodes is None or peer.service or peer.port in offered or set(refused) != {"refused"}:
        return None
    return next((each for each in nodes.nodes if peer.host in each.internal_ips), None)


def _at_a_node(peer: Peer, node: NodeFacts, weight: float) -> Finding:
    return Finding(
        cause_class="app.not_listening",
        cause=f"node {node.name} refuses connections on port {peer.port}: nothing listens, or a filter rejects",
        component=Component("Node", "", node.name),
        belief=PLAUSIBLE * weight,
        because=f"{peer.host} is an address of node {node.name}, and every attempt is refused at once",
        shown_by=(Connects, Nodes),
        recommendation=(
            f"See on node {node.name} what should listen on port {peer.port} (ss -ltn; a pod on the host network, a "
            "hostPort or a service of the system), and whether it binds that address."
        ),
    )


# -- one backend of several --------------------------------------------------------------------------------------------


def _one_of_many(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Iterator[Finding]:
    """Ready pods that refuse beside others of the same workload that answer: every so many calls fail, or, with
    session affinity, all calls of one client."""
    ready = {each.ip for each in service.ready_endpoints or () if not each.terminating}
    pods = {ip: pod for pod in service.matching_pods or () for ip in pod.ips if ip in ready}
    backends = [each for each in peer.doors if each.role is Role.BACKEND and each.host in pods]
    bad = {each.host for each in backends if each.result == "refused"}
    good = {pods[each.host].workload for each in backends if each.is_open}
    if bad and all(pods[each].workload in good for each in bad):
        yield _partly(case, peer, service, sorted(pods[each].pod for each in bad), len(ready), weight)


def _partly(case: Case, peer: Peer, service: ServiceFacts, bad: list[str], of: int, weight: float) -> Finding:
    sticky, port = service.session_affinity == "ClientIP", ports_behind(peer)[0]
    deaf = any(each.does_not_listen_on(port) for each in sockets_behind(case, peer) if each.pod in bad)
    suffers = bool(peer.fails) or any(is_recent(case, each.time) for each in peer.logged)
    suffers = suffers or any(each.outcome is ConnectionOutcome.REFUSED or each.refused for each in peer.connections)
    stays = f"; {service.ref} sends a client always to the same pod (sessionAffinity ClientIP)" if sticky else ""
    verb, names = "refuses" if len(bad) == 1 else "refuse", " and ".join(bad[:3])
    return Finding(
        cause_class="app.not_listening",
        cause=f"{names} behind {service.ref} {verb} connections on port {port}, the others answer{stays}",
        component=peer.component,
        belief=((CONFIRMED if deaf else PROBABLE) if suffers else ASIDE) * weight,
        because=f"{len(bad)} of {of} ready pods {verb} on {port}{', and nothing listens there' if deaf else ''}",
        shown_by=(Connects, Services, TcpStats),
        recommendation=(
            f"Restart {bad[0]} or see why its process is down; give {peer.component} a readiness probe that asks this "
            "port, so that such a pod gets no traffic."
        ),
    )


# -- all of them -------------------------------------------------------------------------------------------------------


def _declared(peer: Peer, port: int) -> bool:
    """A pod declares the port, and it was asked: what is refused at a node port may be refused by the node."""
    if peer.service is None or (peer.resolved is not None and peer.resolved.service_port is not None):
        return False
    return any(number == port for each in peer.service.matching_pods or () for _, number, _ in each.declared)


def _finding(peer: Peer, port: int, loopback: bool, nobody: bool, others: tuple[int, ...], weight: float) -> Finding:
    where = "listens (127.0.0.1 only)" if loopback else "does not listen" if nobody else "does not answer"
    seen = "its socket table shows so" if loopback or nobody else "its socket table was not read"
    name, instead = peer.component.name, " and ".join(map(str, others[:4]))
    elsewhere = f"; it listens on {instead}" if others and not loopback else ""
    return Finding(
        cause_class="app.not_listening",
        cause=f"the process of {name} {where} on port {port}: every connection to the pod is refused{elsewhere}",
        component=peer.component,
        belief=(CONFIRMED if loopback or nobody else PLAUSIBLE) * weight,
        because=f"connections are delivered and reset on {port}, the port the container declares; {seen}",
        shown_by=(TcpStats, HubbleFlows, Connects, Services),
        recommendation=_advice(peer, port, loopback, instead),
    )


def _advice(peer: Peer, port: int, loopback: bool, instead: str) -> str:
    if loopback:
        return f"Let the process bind 0.0.0.0:{port} (or ::) instead of loopback."
    if instead:
        there = f", or declare {instead} and send {peer.service.ref} there" if peer.service else ""
        return f"Let the process of {peer.component} listen on {port}{there}."
    return f"Start what should listen on {port} in {peer.component.name}, or correct its configuration."


RULE = Rule(id="app-not-listening", judge=judge, causes=("app.not_listening",), needs=(Services,))
