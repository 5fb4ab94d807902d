"""Port names that mean two numbers, under the versions of Cilium that then open nothing at all.

Until 1.19 an egress rule's port name was looked up among the named ports of every pod of the cluster; a second number
for the same name was an error, and the rule had no port (``pkg/policy/l4.go``, ``ErrDuplicateNamedPorts``;
cilium/cilium#24779 and #30003). From 1.20 each pod is asked for its own (cilium/cilium#44429, #45760).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from flows.policy.inventory import addresses_of_pod, named_ports_of
from flows.policy.model import Direction
from flows.policy.ports import Named, Port
from flows.policy.profile import Datapath, Profile
from flows.policy.reading import Json, loose_mapping
from flows.policy.rules import Clause, Policy

Clashes: TypeAlias = Mapping[tuple[str, str], tuple[int, ...]]
"""(name, protocol) → its numbers, of the names that have several."""

TWO_NUMBERS = "what a port name with two numbers ({}) opens depends on the version of Cilium, which is not known"


def clashes(pods: Iterable[Json]) -> Clashes:
    """The names with several numbers among the pods that have an address of their own."""
    found: dict[tuple[str, str], set[int]] = {}
    for pod in pods:
        spec = loose_mapping(pod.get("spec"))
        if spec.get("hostNetwork") is True or not addresses_of_pod(pod):
            continue
        for key, number in named_ports_of(spec).items():
            found.setdefault(key, set()).add(number)
    return {key: tuple(sorted(numbers)) for key, numbers in found.items() if len(numbers) > 1}


def with_clashes(policy: Policy, profile: Profile, known: Callable[[], Clashes]) -> Policy:
    """The policy as this version reads its egress port names. `known` is asked only where there is such a name."""
    side = policy.side(Direction.EGRESS)
    if profile.datapath is not Datapath.CILIUM or profile.names_of_each_pod is True:
        return policy
    if not any(isinstance(port, Named) for clause in side.clauses for port in clause.ports or ()):
        return policy
    clauses = tuple(_read(clause, profile, known()) for clause in side.clauses)
    return replace(policy, sides={**policy.sides, Direction.EGRESS: replace(side, clauses=clauses)})


def _read(clause: Clause, profile: Profile, known: Clashes) -> Clause:
    ports = tuple(_marked(each, known) for each in clause.ports) if clause.ports is not None else None
    doubtful = [each for each in ports or () if isinstance(each, Named) and each.clash]
    if doubtful and profile.names_of_each_pod is None:
        return replace(clause, fault=clause.fault or TWO_NUMBERS.format(doubtful[0].name))
    return replace(clause, ports=ports)


def _marked(port: Port, known: Clashes) -> Port:
    return replace(port, clash=known.get((port.name, port.protocol), ())) if isinstance(port, Named) else port
