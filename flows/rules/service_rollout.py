"""Connections fail in the moment in which pods behind the Service are replaced: some still go to a pod that ends.

Proof: an endpoint is terminating (the EndpointSlice says so), connections of the caller to that very address fail, and
a ready endpoint of the same Service answers. It passes by itself; a pod that waits a little before it ends (preStop)
avoids it. Not to be mistaken for a backend that is broken and stays, for a Service whose last endpoint ends, nor for a
caller that holds a pod's address.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, PROBABLE
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import is_recent
from flows.symptoms.peers import FAILED, Peer, suspects
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import EndpointFacts, ServiceFacts, Services
from sensors.kit.app_log import LogTrouble
from sensors.net_connect import Connects, Role

CUT_TROUBLES = (LogTrouble.REFUSED, LogTrouble.RESET, LogTrouble.CONNECT, LogTrouble.TIMEOUT)


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or not _stays(peer, service):
            continue
        ending = [each for each in service.endpoints or () if each.terminating and not each.ready]
        lost = [each for each in ending if _fails_at(peer, each)]
        if lost:
            yield _finding(case, peer, service, lost, weight)


def _stays(peer: Peer, service: ServiceFacts) -> bool:
    """A ready endpoint was seen to answer."""
    ready = {each.ip for each in service.ready_endpoints or () if not each.terminating}
    attempts = any(each.is_open and each.host in ready for each in peer.doors if each.role is Role.BACKEND)
    return attempts or any(
        each.outcome is ConnectionOutcome.OPENED and each.destination.ip in ready for each in peer.connections
    )


def _fails_at(peer: Peer, ending: EndpointFacts) -> bool:
    attempts = [each for each in peer.doors if each.role is Role.BACKEND and each.host == ending.ip]
    return bool(_lost_at(peer, ending)) or (bool(attempts) and not any(each.is_open for each in attempts))


def _lost_at(peer: Peer, ending: EndpointFacts) -> list[Connection]:
    """The caller's own connections to the pod that ends; a default denial is none of its doing."""
    mine = (each for each in peer.connections if each.destination.ip == ending.ip and not each.packets_dropped)
    return [each for each in mine if each.outcome in FAILED or each.reset]


def _finding(case: Case, peer: Peer, service: ServiceFacts, lost: list[EndpointFacts], weight: float) -> Finding:
    names = ", ".join(each.pod or each.ip for each in lost[:3])
    ready = len(service.ready_endpoints or ())
    seen = any(_lost_at(peer, each) for each in lost)
    told = [each for each in peer.logged if each.trouble in CUT_TROUBLES and is_recent(case, each.time)]
    said = f'; the caller logs: "{told[0].text}"' if told else ""
    ends = "is ending" if len(lost) == 1 else "are ending"
    return Finding(
        cause_class="service.rollout",
        cause=f"pods of {service.ref} are being replaced: connections that still go to {names}, which {ends}, fail",
        component=peer.component,
        belief=(PROBABLE if seen or told else ASIDE) * weight,
        because=f"the EndpointSlice calls {names} terminating, {ready} ready endpoints answer{said}",
        shown_by=(Services, Connects, HubbleFlows, PodFacts),
        recommendation=(
            f"Wait until the rollout has ended. To avoid it, let the pods of {peer.component} wait some seconds before "
            "they end (lifecycle.preStop.sleep), and let the caller try again."
        ),
    )


RULE = Rule(id="service-rollout", judge=judge, causes=("service.rollout",), needs=(Services,))
