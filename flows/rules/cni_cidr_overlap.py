"""A server outside the cluster has an address in a range that the cluster took for itself, so it cannot be reached.

Proof: a name from outside resolves to an address inside the cluster's range of pods or Services, nothing of the cluster
has that address, and connections to it fail. The pod's packets stay in the cluster. Not to be mistaken for a pod that
is gone: nobody looks a pod up under a name from outside; nor for a name that leads to a load balancer of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import EVIDENT
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.ranges import may_be_a_pods, within
from sensors.dns_lookup import Burst, LookupOutcome, Lookups, NameOrigin
from sensors.k8s_services import Services
from sensors.topology.peer import AskedKind

OURS = (AskedKind.SERVICE, AskedKind.POD, AskedKind.NODE, AskedKind.API_SERVER)


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        if peer.service is None and peer.fails and not (peer.resolved and peer.resolved.kind in OURS):
            for burst, address in _inside(case, peer):
                yield _finding(case, peer, burst, address, weight)
                break


def _inside(case: Case, peer: Peer) -> Iterator[tuple[Burst, str]]:
    """The outside names of this peer that resolve to an address of the cluster's own ranges which nobody there has."""
    services = case[Services]
    for burst in case[Lookups].bursts:
        if (
            burst.origin is NameOrigin.EXTERNAL
            and burst.outcome is LookupOutcome.ANSWERED
            and burst.name == peer.host.lower()
        ):
            for address in burst.addresses:
                taken = address in services.by_ip or any(each.destination.pod for each in peer.connections)
                if not taken and _range_of(case, address):
                    yield burst, address


def _range_of(case: Case, address: str) -> str:
    if within(address, case.environment.service_cidrs):
        return "Services"
    return "pods" if may_be_a_pods(case, address) else ""


def _finding(case: Case, peer: Peer, burst: Burst, address: str, weight: float) -> Finding:
    whose = _range_of(case, address)
    return Finding(
        cause_class="cni.cidr_overlap",
        cause=(
            f"{burst.name} is {address}, which lies in the cluster's own range of {whose}: packets to it never leave "
            "the cluster"
        ),
        component=Component("External", "", burst.name),
        belief=EVIDENT * weight,
        because=f"{burst.name} is a name from outside, nothing of the cluster has {address}, and nothing opens there",
        shown_by=(Lookups, Services),
        recommendation=(
            f"Give {burst.name} an address outside the cluster's ranges (a second address, a proxy), or take another "
            f"range for {whose}: that means a new cluster in most installations."
        ),
    )


RULE = Rule(id="cni-cidr-overlap", judge=judge, causes=("cni.cidr_overlap",), needs=(Lookups, Services))
