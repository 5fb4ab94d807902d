"""The tests can fail: ten bugs a simulator could have, each of which the table of verdicts must notice.

Every mutant replaces one function of the evaluator by a wrong one; ``test_oracle`` passes on the right ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flows.policy import Direction, cilium_rules, kubernetes, peers, ports, reach, selectors
from flows.policy.cilium_peers import CiliumEndpoints
from flows.policy.peers import Addresses, Anyone, SelectedPodsPeer, any_of
from flows.policy.portset import NO_PORTS, PortSet
from flows.policy.rules import Effect
from tests.flows.policy.oracle import disagreements

Patch = Callable[[object, str, Any], None]


def both_selectors_are_ored(patch: Patch) -> None:
    def selects(self: SelectedPodsPeer, peer: Any) -> bool:
        if self.namespaces is None:
            return peer.namespace == self.namespace and self.pods.matches(peer.labels)
        return self.namespaces.matches(peer.namespace_labels) or self.pods.matches(peer.labels)

    patch(SelectedPodsPeer, "selects", selects)


def a_pod_selector_crosses_namespaces(patch: Patch) -> None:
    right = SelectedPodsPeer.selects
    patch(SelectedPodsPeer, "selects", lambda self, peer: right(replace(self, namespace=peer.namespace), peer))


def not_in_needs_the_key(patch: Patch) -> None:
    wrong = {**selectors._OPERATORS, "NotIn": lambda value, values: value is not None and value not in values}
    patch(selectors, "_OPERATORS", wrong)


def a_range_is_its_first_port(patch: Patch) -> None:
    patch(ports.PortRange, "on", lambda self, destination: PortSet.of(self.protocol, self.low, self.low))


def empty_ports_admit_nothing(patch: Patch) -> None:
    right = kubernetes._ports
    patch(kubernetes, "_ports", lambda value, path, profile: right(value, path, profile) or ())


def policy_types_are_ignored(patch: Patch) -> None:
    patch(kubernetes, "_directions", lambda spec, profile: tuple(Direction))


def egress_is_ignored(patch: Patch) -> None:
    right = reach.exempt

    def exempt(policies: Any, scene: Any, traffic: Any = None) -> str | None:
        return "ignored" if scene.direction is Direction.EGRESS else right(policies, scene, traffic)

    patch(reach, "exempt", exempt)
    patch(__import__("flows.policy.judging", fromlist=["exempt"]), "exempt", exempt)


def an_empty_cilium_rule_admits_all(patch: Patch) -> None:
    patch(cilium_rules._Peers, "_without_peers", lambda self, empty: ((Anyone(self.path),), ()))


def a_deny_does_not_beat_an_allow(patch: Patch) -> None:
    def clause_ports(clause: Any, *rest: Any) -> tuple[PortSet, PortSet]:
        return (NO_PORTS, NO_PORTS) if clause.effect is Effect.DENY else right(clause, *rest)

    right = reach.clause_ports
    patch(reach, "clause_ports", clause_ports)


def a_cidr_matches_pods_under_cilium(patch: Patch) -> None:
    patch(peers, "comparable", lambda endpoint, profile: True)


def a_named_port_is_everyones_http(patch: Patch) -> None:
    patch(ports.Named, "on", lambda self, destination: PortSet.of(self.protocol, 81, 81))


def a_cilium_selector_crosses_namespaces(patch: Patch) -> None:
    right = CiliumEndpoints.fits
    patch(CiliumEndpoints, "fits", lambda self, scene: right(replace(self, namespace=""), scene))


def the_unknown_counts_as_no(patch: Patch) -> None:
    patch(peers, "any_of", lambda answers: any(answers))
    patch(__import__("flows.policy.rules", fromlist=["any_of"]), "any_of", lambda answers: bool(any_of(answers)))


def the_baseline_speaks_for_isolated_pods(patch: Patch) -> None:
    def namespace(policies: Any, scene: Any, universe: PortSet, traffic: Any) -> Any:
        found = right(policies, scene, universe, traffic)
        return replace(found, next=universe)

    right = reach._namespace
    patch(reach, "_namespace", namespace)


def exceptions_of_a_block_are_forgotten(patch: Patch) -> None:
    right = Addresses.fits
    patch(Addresses, "fits", lambda self, scene: right(replace(self, block=replace(self.block, excepts=())), scene))


def a_policy_without_types_isolates_egress(patch: Patch) -> None:
    right = kubernetes._directions

    def directions(spec: Any, profile: Any) -> tuple[Direction, ...]:
        return right(spec, profile) if spec.get("policyTypes") else tuple(Direction)

    patch(kubernetes, "_directions", directions)


MUTANTS = [
    both_selectors_are_ored,
    a_pod_selector_crosses_namespaces,
    not_in_needs_the_key,
    a_range_is_its_first_port,
    empty_ports_admit_nothing,
    policy_types_are_ignored,
    egress_is_ignored,
    an_empty_cilium_rule_admits_all,
    a_deny_does_not_beat_an_allow,
    a_cidr_matches_pods_under_cilium,
    a_named_port_is_everyones_http,
    a_cilium_selector_crosses_namespaces,
    the_unknown_counts_as_no,
    the_baseline_speaks_for_isolated_pods,
    exceptions_of_a_block_are_forgotten,
    a_policy_without_types_isolates_egress,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_table_notices(mutant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch.setattr)

    assert disagreements()


def test_the_table_is_right_about_the_evaluator_itself() -> None:
    assert disagreements() == []
