"""Result of a packet by the second opinion (`lab.oracle`), in the words that the lab's Hubble needs.

The simulator of the product only lends the names of policies, and its word where the second opinion cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flows.policy import (
    Datapath,
    Decision,
    Direction,
    Endpoint,
    Enforcement,
    Judgement,
    PolicyVerdict,
    Profile,
    Traffic,
)
from lab.cluster.store import Thing
from lab.oracle import CannotTell, End, OracleNetwork


class NetworkOpinion:
    """The network of one moment, asked packet by packet."""

    def __init__(self, things: Iterable[Thing], profile: Profile) -> None:
        self.network = OracleNetwork(things, profile.datapath is Datapath.CILIUM, profile.services_by_selector is True)
        self.has_any = _is_plain(profile)

    def on(self, judged: Judgement) -> Judgement:
        """The same judgement with the second opinion's answers."""
        if not self.has_any:
            return judged
        egress, ingress = self._side(judged, judged.egress), self._side(judged, judged.ingress)
        return replace(judged, egress=egress, ingress=ingress)

    def answer(self, traffic: Traffic) -> bool | None:
        """Checks whether a packet passes both sides; None where it cannot tell."""
        both = {self._answer(traffic, True), self._answer(traffic, False)}
        return False if False in both else None if None in both else True

    def _side(self, judged: Judgement, said: PolicyVerdict) -> PolicyVerdict:
        answer = self._answer(judged.traffic, said.direction is Direction.EGRESS)
        if answer is None or answer is said.allowed:
            return said
        decision = Decision.ADMITS if answer else Decision.DOES_NOT_ADMIT
        return PolicyVerdict(said.direction, answer, decision, "the network does otherwise than the simulator says")

    def _answer(self, traffic: Traffic, egress: bool) -> bool | None:
        source, there = self._end(traffic.source), self._end(traffic.destination)
        me, other = (source, there) if egress else (there, source)
        port = traffic.icmp_type if traffic.protocol.startswith("ICMP") else traffic.port
        try:
            return self.network.side(me, other, there, (traffic.protocol, port), egress)
        except CannotTell:
            return None

    def _end(self, endpoint: Endpoint) -> End:
        known = self.network.pods.get((endpoint.namespace, endpoint.pod)) if endpoint.is_pod else None
        if known is not None:
            return known if known.words else replace(known, ip=endpoint.ip)
        words = endpoint.entities | ({"remote-node"} if endpoint.host_network else set())
        return End(
            endpoint.namespace,
            endpoint.pod,
            endpoint.labels,
            endpoint.namespace_labels,
            endpoint.ip,
            endpoint.node,
            frozenset(words),
            endpoint.named_ports,
            endpoint.service_account,
            names=endpoint.fqdns,
        )


def _is_plain(profile: Profile) -> bool:
    """Checks whether the datapath runs with the settings that the second opinion knows."""
    usual = profile.enforcement is Enforcement.DEFAULT and profile.local_node_allowed
    compares = profile.cidr_matches_pods or profile.cidr_matches_nodes
    return usual and profile.datapath is Datapath.CILIUM and not compares and profile.end_port
