"""Policies of every dialect in one common form: what they select, isolate, admit and deny.

A dialect (``kubernetes``, ``cilium``, ``admin``, ``calico``) only translates into this form; judging happens in
``judge`` and ``reach``, once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from flows.policy.direction import DirectionContext, is_workload
from flows.policy.model import Decision, Direction, Endpoint, Miss, PolicyRef, RuleWalk, Traffic
from flows.policy.peers import Addresses, PolicyPeer, any_of, nearest_misses
from flows.policy.ports import Port, covers, nearest_port_misses
from flows.policy.profile import Profile
from flows.policy.selectors import EVERYTHING, Selector


class Effect(StrEnum):
    ALLOW = "admits"
    DENY = "denies"
    PASS = "passes"  # noqa: S105  (a verb, no secret)


class Tier(StrEnum):
    """In the order of judgement."""

    ADMIN = "admin"
    NAMESPACE = "namespace"
    BASELINE = "baseline"


_DECISIONS = {Effect.ALLOW: Decision.ADMITS, Effect.DENY: Decision.DENIES, Effect.PASS: Decision.PASSES}


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule: these peers on these ports. ``ports`` ``None`` = every port and protocol."""

    index: int
    effect: Effect
    peers: tuple[PolicyPeer, ...]  # any of them
    ports: tuple[Port, ...] | None
    path: str
    notes: tuple[str, ...] = ()  # said when it matches: L7 rules, authentication
    shows_dns: bool = False  # carries DNS rules, so the datapath sees the answers
    fault: str = ""  # why it is not understood; then nothing else counts

    def peer_fits(self, scene: DirectionContext) -> bool | None:
        if self.fault:
            return None
        if len(self.peers) == 1:  # most rules; and this is asked more often than anything else
            return self.peers[0].fits(scene)
        return any_of(peer.fits(scene) for peer in self.peers)

    def fits(self, scene: DirectionContext, traffic: Traffic) -> bool | None:
        if self.fault:
            return None
        return any_of((both(self.peer_fits(scene), covers(self.ports, traffic)), self.service_fits(scene, traffic)))

    def service_fits(self, scene: DirectionContext, traffic: Traffic) -> bool | None:
        """True if a CIDR holds the Service's own address, for datapaths that judge before it is rewritten (AWS)."""
        if scene.addressed is None or scene.profile.sees_service_address is False:
            return False
        ip, port = scene.addressed
        held = any(isinstance(peer, Addresses) and peer.block.admits(ip) for peer in self.peers)
        fits = both(held, covers(self.ports, replace(traffic, port=port)))
        return None if fits and scene.profile.sees_service_address is None else fits

    def walk(self, scene: DirectionContext, traffic: Traffic) -> RuleWalk:
        """The same answer as ``fits``, with the reasons."""
        if self.fault:
            return RuleWalk(self.index, Decision.UNDECIDABLE, self.fault, path=self.path)
        peer, port = self.peer_fits(scene), covers(self.ports, traffic)
        fits = self.fits(scene, traffic)
        decision = self._decision(fits)
        misses = self._misses(scene, traffic, peer, port)
        why = self._why(fits, misses, scene, peer)
        return RuleWalk(self.index, decision, why, misses, self.path, peer, port, self.notes if fits else ())

    def _decision(self, fits: bool | None) -> Decision:
        if fits is None:
            return Decision.UNDECIDABLE
        if fits:
            return _DECISIONS[self.effect]
        return Decision.DOES_NOT_ADMIT if self.effect is Effect.ALLOW else Decision.NOT_APPLICABLE

    def _misses(
        self, scene: DirectionContext, traffic: Traffic, peer: bool | None, port: bool | None
    ) -> tuple[Miss, ...]:
        wrong_peer = nearest_misses(self.peers, scene) if peer is False else ()
        wrong_port = nearest_port_misses(self.ports, traffic) if port is False else ()
        return wrong_peer + wrong_port

    def _why(self, fits: bool | None, misses: tuple[Miss, ...], scene: DirectionContext, peer: bool | None) -> str:
        if fits:
            notes = "".join(f"; {note}" for note in self.notes)
            return f"{self.path} {self.effect.value} {self.in_words()}{notes}"
        if fits is False:
            return f"{self.path} {self.effect.value} {self.in_words()}: " + ", ".join(m.why for m in misses)
        doubt = self.doubt(scene) if peer is None else "the port of the traffic is not known"
        return f"{self.path} {self.effect.value} {self.in_words()}: {doubt}"

    def doubt(self, scene: DirectionContext) -> str:
        if self.fault:
            return self.fault
        return next((p.doubt(scene) for p in self.peers if p.fits(scene) is None), "the port is not known")

    def in_words(self) -> str:
        who = " or ".join(map(str, self.peers)) or "nobody"
        if self.ports is None:
            return f"{who} on every port"
        return f"{who} on {', '.join(map(str, self.ports)) or 'no port'}"


class SubjectCondition(Protocol):
    """A requirement on something else than a pod's labels, such as its service account."""

    @property
    def key(self) -> str: ...

    def met_by(self, endpoint: Endpoint, entities: frozenset[str], profile: Profile) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class PolicySubject:
    """Endpoints that a policy selects."""

    pods: Selector = EVERYTHING
    namespace: str = ""  # exactly this one
    namespaces: Selector | None = None  # in these only
    doubt: str = ""  # why the selector is not understood: may be any pod in reach
    conditions: tuple[SubjectCondition, ...] = ()  # all of them

    def selects(self, endpoint: Endpoint, profile: Profile) -> bool | None:
        if not endpoint.namespace or not self._in_reach(endpoint):
            return False
        workload = is_workload(endpoint, profile)
        if workload is False or not self.pods.matches(endpoint.labels):
            return False
        met = [each.met_by(endpoint, frozenset(), profile) for each in self.conditions]
        if False in met:
            return False
        return None if self.doubt or None in met else workload

    def _in_reach(self, endpoint: Endpoint) -> bool:
        if self.namespace and endpoint.namespace != self.namespace:
            return False
        return self.namespaces is None or self.namespaces.matches(endpoint.namespace_labels)


@dataclass(frozen=True, slots=True)
class DirectionRules:
    """Rules of a policy for one direction."""

    isolates: bool = False
    clauses: tuple[Clause, ...] = ()


SILENT = DirectionRules()


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy object (or one spec of a CiliumNetworkPolicy with several)."""

    ref: PolicyRef
    subject: PolicySubject
    sides: Mapping[Direction, DirectionRules] = field(default_factory=dict)
    tier: Tier = Tier.NAMESPACE
    priority: int = 0  # smaller = earlier; admin tiers only
    fault: str = ""  # why the whole policy is not understood: it may admit, deny or isolate
    inert: str = ""  # why the datapath does not apply it; said, never judged
    refused: str = ""  # what the datapath's own validation would say of the object; then it is inert, too

    def side(self, direction: Direction) -> DirectionRules:
        return self.sides.get(direction, SILENT)

    def speaks(self, direction: Direction) -> bool:
        side = self.side(direction)
        return bool(self.fault or self.refused or side.isolates or side.clauses)

    def selects(self, endpoint: Endpoint, profile: Profile) -> bool | None:
        return self.subject.selects(endpoint, profile)

    @property
    def shows_dns(self) -> bool:
        return any(clause.shows_dns for clause in self.side(Direction.EGRESS).clauses)


def both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True
