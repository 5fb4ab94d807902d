"""Small changes to recorded facts, for the twin that no recording shows. What they make is synthetic and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flows.model import Case, Finding, Rule
from flows.symptoms.peers import asked_peer
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import ServiceFacts, Services
from sensors.net_connect import Connects
from tests.kit.cases import with_facts


def said(rule: Rule, case: Case) -> list[Finding]:
    """All that a rule says of a case."""
    return rule.of(case)


def classes(rule: Rule, case: Case) -> list[str]:
    return [each.cause_class for each in said(rule, case)]


def strong(rule: Rule, case: Case) -> list[Finding]:
    """What a rule says loudly enough to become the root cause."""
    return [each for each in said(rule, case) if each.belief >= 0.5]


def with_service(case: Case, **changes: Any) -> Case:
    """The asked Service with other fields."""
    services = case[Services]
    asked = services.asked_service
    assert asked is not None

    def changed(each: ServiceFacts) -> ServiceFacts:
        return replace(each, **changes) if each.ref == asked.ref else each

    return with_facts(case, replace(services, services=tuple(map(changed, services.services))))


def with_connections(case: Case, change: Callable[[Connection], Connection]) -> Case:
    """The pod's connections towards the asked peer, each changed."""
    peer, flows = asked_peer(case), case[HubbleFlows]
    assert peer is not None
    assert peer.connections
    touched = tuple(change(each) if each in peer.connections else each for each in flows.connections)
    return with_facts(case, replace(flows, connections=touched))


def with_doors(case: Case, result: str, errno: str | None = None) -> Case:
    """Every asked door tried from inside the pod ends in `result`."""
    connects = case[Connects]
    asked = connects.asked
    doors = tuple(replace(each, result=result, errno=errno) if each in asked else each for each in connects.doors)
    return with_facts(case, replace(connects, doors=doors))
