"""Calico's own policies: recognised, and undecidable wherever their selector may reach.

Calico orders policies in tiers, with actions (Allow, Deny, Log, Pass) and its own selector language. A policy of
theirs that may select an endpoint can change everything, so its presence is said and nothing is guessed.
"""

from __future__ import annotations

from flows.policy.catalog import Catalog
from flows.policy.kubernetes import ref_of
from flows.policy.model import Direction
from flows.policy.profile import Profile
from flows.policy.reading import Json, loose_mapping, loose_text
from flows.policy.rules import Policy, Side, Subject
from flows.policy.selectors import EVERYTHING

WHY = "a Calico policy: its tiers, order and actions are not modelled"


def parse_calico(policy: Json, profile: Profile, catalog: Catalog) -> tuple[Policy, ...]:
    """Source: projectcalico.org/v3 NetworkPolicy and GlobalNetworkPolicy: ``types`` missing = Ingress, and Egress if
    there are egress rules."""
    kind = "Calico " + loose_text(policy.get("kind"))
    clusterwide = kind.endswith("GlobalNetworkPolicy")
    ref = ref_of(policy, kind, default_namespace="" if clusterwide else "default")
    spec = loose_mapping(policy.get("spec"))
    sides = {direction: Side() for direction in Direction}
    subject = Subject(EVERYTHING, ref.namespace, doubt=WHY)
    return (Policy(ref, subject, sides, fault=_fault(spec)),)


def _fault(spec: Json) -> str:
    selector = loose_text(spec.get("selector")) or "all()"
    return f"{WHY} (selector {selector})"
