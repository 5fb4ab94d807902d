"""The second opinion gives the documented verdicts, too, and guesses nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lab.oracle
from flows.policy import CALICO_IPTABLES, CILIUM
from lab.oracle import CannotTell, Network
from tests.flows.policy.builders import Json, admin, cnp, netpol, pod
from tests.flows.policy.oracle import CILIUM_CASES, CLUSTER, KUBERNETES, Case
from tests.oracle.ends import end, packet

ASKED = [case for case in (*KUBERNETES, *CILIUM_CASES) if case.profile in (CILIUM, CALICO_IPTABLES)]


def answers(case: Case) -> list[tuple[str, bool, bool]]:
    """(question, documented, ours), without what either calls undecidable."""
    found = []
    for source, destination, port, documented in case.answers:
        try:
            network = Network([*CLUSTER, *case.extra, *case.policies], case.profile is CILIUM)
            ours = network.allows(end(network, source), end(network, destination), *packet(port))
        except CannotTell:
            continue
        if documented is not None:
            found.append((f"{source} -> {destination} {port}", documented, ours))
    return found


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.name)
def test_the_documented_verdict_is_given_or_none(case: Case) -> None:
    assert [each for each in answers(case) if each[1] is not each[2]] == []


def test_most_of_the_documented_verdicts_can_be_told() -> None:
    documented = sum(answer[3] is not None for case in ASKED for answer in case.answers)

    assert sum(len(answers(case)) for case in ASKED) > 0.85 * documented


def test_it_shares_nothing_with_the_simulator_that_it_is_to_judge() -> None:
    """No import of ours but its own."""
    for file in Path(lab.oracle.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            ours = [each for each in names if each.split(".")[0] in ("flows", "bot", "sensors", "lab")]
            assert all(each.startswith("lab.oracle") for each in ours), file


PODS = [pod("x/a", "10.0.0.1", pod="a"), pod("x/b", "10.0.0.2", pod="b")]


def test_default_deny_for_a_direction_without_rules_isolates_nothing() -> None:
    """Cilium sets it on the entries made per rule: no rule, no entry."""
    policy = cnp("x/n", {"pod": "a"}, egress=[{"toEntities": ["all"]}], enableDefaultDeny={"ingress": True})
    network = Network([*PODS, policy])

    assert network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80)


def test_a_doubt_matters_only_where_nothing_certain_admits() -> None:
    unsure = cnp("x/n", {"pod": "a"}, egress=[{"toGroups": [{}]}, {"toEntities": ["cluster"]}])
    network = Network([*PODS, unsure])

    assert network.allows(end(network, "x/a"), end(network, "x/b"), "TCP", 80)
    with pytest.raises(CannotTell, match="toGroups"):
        network.allows(end(network, "x/a"), end(network, "203.0.113.1"), "TCP", 80)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (admin("a", "Admin", 1, {"namespaces": {}}), "ClusterNetworkPolicy"),
        (netpol("x/n", {"pod": "a"}, ["Egress"], ingress=[{}]), "policyTypes"),
    ],
)
def test_what_it_does_not_know_is_no_permission(policy: Json, why: str) -> None:
    network = Network([*PODS, policy])

    with pytest.raises(CannotTell, match=why):
        network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80)


def test_a_doubt_about_one_pod_is_none_about_another() -> None:
    network = Network([*PODS, netpol("x/n", {"pod": "b"}, ["Egress"], ingress=[{}])])

    assert network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80) is False
