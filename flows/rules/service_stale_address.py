"""The caller holds the address of a pod that is gone.

Proof: the asked address lies in a pod range and no pod has it, or the datapath says that it knows no such endpoint
(drop reason 151, STALE_OR_UNROUTABLE_IP), or a pod of that name is gone. The cure is in the caller: it remembered an
address for longer than it lived. Not to be mistaken for a denial by policy (133).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from flows.belief import PROBABLE, SHOWN
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.topology.peer import AskedKind

STALE = 151


def judge(case: Case) -> Iterator[Finding]:
    services = case[Services]
    for peer, weight in suspects(case):
        dropped = sum(drop.packets for each in peer.connections for drop in each.drops if drop.number == STALE)
        gone = peer.asked and services.asked is not None and services.asked.kind is AskedKind.UNKNOWN_POD
        if gone or dropped or _nobodys_pod_address(case, services, peer):
            yield _finding(case, peer, dropped, weight)


def _nobodys_pod_address(case: Case, services: Services, peer: Peer) -> bool:
    if not peer.asked or services.asked is None or services.asked.kind is not AskedKind.EXTERNAL:
        return False
    try:
        address = ip_address(peer.host)
        ranges = [ip_network(each, strict=False) for each in case.environment.pod_cidrs]
    except ValueError:
        return False
    return any(address in each for each in ranges if each.version == address.version)


def _finding(case: Case, peer: Peer, dropped: int, weight: float) -> Finding:
    proof = f"{dropped} packets dropped as STALE_OR_UNROUTABLE_IP (151)" if dropped else "it lies in the pod range"
    return Finding(
        cause_class="service.stale_address",
        cause=f"{case.target} calls {peer.host}, and no pod has that address any more",
        component=owner(case),
        belief=(SHOWN if dropped else PROBABLE) * weight,
        because=f"no pod has {peer.host}; {proof}",
        shown_by=(Services, HubbleFlows),
        recommendation="Let the caller look the name up again (or restart it); call the Service, not a pod's address.",
    )


RULE = Rule(id="service-stale-address", judge=judge, causes=("service.stale_address",), needs=(Services,))
