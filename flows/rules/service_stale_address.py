"""The caller holds the address of a pod that is gone.

Proof: the address that is asked for, or tried without an answer, lies in a node's pod range and no pod has it; or the
datapath says that it knows no such endpoint (drop reason 151, STALE_OR_UNROUTABLE_IP), or a pod of that name is gone.
The cure is in the caller: it remembered an address for longer than it lived. Not to be mistaken for a denial by policy
(133), nor for a server of the network that lies in the wide pool from which pods get addresses.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import DOUBTED, PROBABLE, SHOWN
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.ranges import is_pods_alone, may_be_a_pods, node_of_range
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.addresses import as_ip
from sensors.text import counted
from sensors.topology.peer import AskedKind

STALE = 151
LOST_OUTCOMES = (ConnectionOutcome.UNANSWERED, ConnectionOutcome.DROPPED)


def judge(case: Case) -> Iterator[Finding]:
    services = case[Services]
    for peer, weight in suspects(case):
        dropped = sum(drop.packets for each in peer.connections for drop in each.drops if drop.number == STALE)
        gone = _gone(case, services, peer)
        if gone or dropped:
            yield _finding(case, peer, gone or peer.host, dropped, weight)


def _gone(case: Case, services: Services, peer: Peer) -> str:
    """The address that the caller holds and no pod has: the asked one, or one of the wire."""
    asked = services.asked.kind if peer.asked and services.asked is not None else None
    if asked in (AskedKind.UNKNOWN_POD, AskedKind.EXTERNAL) and (
        asked is AskedKind.UNKNOWN_POD or may_be_a_pods(case, peer.host)
    ):
        return peer.host
    if peer.service is not None or peer.asked:
        return ""
    told = (each.destination for each in peer.connections if each.outcome in LOST_OUTCOMES)
    return next((each.ip for each in told if not each.pod and is_pods_alone(case, each.ip)), "")


def _finding(case: Case, peer: Peer, address: str, dropped: int, weight: float) -> Finding:
    node, sure = node_of_range(case, address), dropped or as_ip(address) is None or is_pods_alone(case, address)
    where = f"it lies in the pod range of node {node.name}" if node else "it lies in the pod range"
    proof = f"{counted(dropped, 'packet')} dropped as STALE_OR_UNROUTABLE_IP (151)" if dropped else where
    doubt = "" if sure else ", which is wide: a server of the network may have that address, too"
    return Finding(
        cause_class="service.stale_address",
        cause=f"{case.target} calls {address}, and no pod has that address any more",
        component=owner(case),
        belief=(SHOWN if dropped else PROBABLE if sure else DOUBTED) * weight,
        because=f"no pod has {address}; {proof}{doubt}",
        shown_by=(Services, HubbleFlows),
        recommendation="Let the caller look the name up again (or restart it); call the Service, not a pod's address.",
    )


RULE = Rule(id="service-stale-address", judge=judge, causes=("service.stale_address",), needs=(Services,))
