"""Finds pods that wait for their network: the pod itself, the only backends of its peer, or the DNS servers.

No rule of its own: what the rules about network plug-ins have in common. A pod that waits for something else is none
of the complaint's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from flows.belief import ASKED
from flows.causes import BACKENDS_LOST, DNS_SERVERS_LOST
from flows.model import Case
from flows.symptoms.dns import belief_of, is_serving
from flows.symptoms.peers import Peer, suspects
from sensors.cni_health import CniHealth, StuckPod
from sensors.dns_coredns_health import CoreDns

NETWORK_SETUP_S = 20.0
"""A pod that is set up has its network well before this (measured: 12 s for a whole node's first pods)."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A pod that waits for its network, who it is to the complaint, how much that weighs (0 to 1), what it explains."""

    pod: StuckPod
    role: str
    weight: float
    also_hides: frozenset[str] = frozenset()

    @property
    def node(self) -> str:
        return self.pod.node

    def __str__(self) -> str:
        name = f"{self.role} {self.pod.pod.namespace}/{self.pod.pod.name}"
        if self.pod.waiting_s is None:
            return f"{name} has no network yet"
        return f"{name} has waited {self.pod.waiting_s:.0f} s for its network"


def victims(case: Case) -> tuple[Victim, ...]:
    """Everyone of the complaint who waits for a network, the pod itself first. Raises `Missing` without CNI facts."""
    stuck = [each for each in case[CniHealth].stuck_pods if _is_long(each)]
    return (*_target(case, stuck), *_backends(case, stuck), *_dns(case, stuck))


def _is_long(pod: StuckPod) -> bool:
    return bool(pod.message) or pod.waiting_s is None or pod.waiting_s >= NETWORK_SETUP_S


def _target(case: Case, stuck: list[StuckPod]) -> list[Victim]:
    target = case.target
    mine = (each for each in stuck if (each.pod.namespace, each.pod.name) == (target.namespace, target.pod))
    return [Victim(each, "pod", ASKED) for each in mine]


def _backends(case: Case, stuck: list[StuckPod]) -> list[Victim]:
    """The peer's backends, where none of them is ready."""
    found: list[Victim] = []
    for peer, weight in suspects(case):
        names = _waited_for(peer)
        mine = (each for each in stuck if (each.pod.namespace, each.pod.name) in names)
        found += [Victim(each, "backend", weight, BACKENDS_LOST) for each in mine]
    return found


def _waited_for(peer: Peer) -> set[tuple[str, str]]:
    service = peer.service
    if service is None or service.ready_endpoints:
        return set()
    return {(service.namespace, each.pod) for each in service.matching_pods or ()}


def _dns(case: Case, stuck: list[StuckPod]) -> list[Victim]:
    dns = case.get(CoreDns)
    if dns is None or is_serving(dns) is not False:
        return []
    names = {(each.namespace, each.name) for each in dns.pods}
    mine = (each for each in stuck if (each.pod.namespace, each.pod.name) in names)
    return [Victim(each, "DNS server", belief_of(case, dns), DNS_SERVERS_LOST) for each in mine]
