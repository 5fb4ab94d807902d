"""The second opinion gives the documented verdicts, too, and guesses nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lab.oracle
from flows.policy import CALICO_IPTABLES, CILIUM
from flows.policy.profile import cilium
from lab.oracle import CannotTell, OracleNetwork
from tests.flows.policy.builders import Json, admin, cnp, netpol, pod
from tests.flows.policy.oracle import CILIUM_CASES, CLUSTER, KUBERNETES, Case
from tests.oracle.ends import end, packet

NEW = cilium("1.20.2")
ASKED = [case for case in (*KUBERNETES, *CILIUM_CASES) if case.profile in (CILIUM, CALICO_IPTABLES, NEW)]


def answers(case: Case) -> list[tuple[str, bool, bool]]:
    """(question, documented, ours), without what either calls undecidable."""
    found = []
    for source, destination, port, documented in case.answers:
        try:
            is_cilium, services = case.profile != CALICO_IPTABLES, case.profile == NEW
            network = OracleNetwork([*CLUSTER, *case.extra, *case.policies], is_cilium, services)
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

    assert sum(len(answers(case)) for case in ASKED) > 0.95 * documented


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
    network = OracleNetwork([*PODS, policy])

    assert network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80)


def test_a_doubt_matters_only_where_nothing_certain_admits() -> None:
    unsure = cnp("x/n", {"pod": "a"}, egress=[{"toGroups": [{}]}, {"toEntities": ["cluster"]}])
    network = OracleNetwork([*PODS, unsure])

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
    network = OracleNetwork([*PODS, policy])

    with pytest.raises(CannotTell, match=why):
        network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80)


def test_a_doubt_about_one_pod_is_none_about_another() -> None:
    network = OracleNetwork([*PODS, netpol("x/n", {"pod": "b"}, ["Egress"], ingress=[{}])])

    assert network.allows(end(network, "x/b"), end(network, "x/a"), "TCP", 80) is False


def icmp(kind: str | int, family: str = "IPv4") -> Json:
    return cnp("x/n", {"pod": "a"}, ingress=[{"icmps": [{"fields": [{"type": kind, "family": family}]}]}])


@pytest.mark.parametrize(
    ("policy", "question", "answer"),
    [
        (icmp("EchoRequest"), "ICMP 8", True),
        (icmp(8), "ICMP 8", True),
        (icmp(8), "ICMP 0", False),
        (icmp(8), "TCP 8", False),
        (icmp("EchoRequest", "IPv6"), "ICMP 8", False),
        (icmp("EchoRequest", "IPv6"), "ICMPv6 128", True),
    ],
)
def test_an_icmp_rule_admits_its_own_type_and_family(policy: Json, question: str, answer: bool) -> None:
    network = OracleNetwork([*PODS, policy])

    assert network.allows(end(network, "x/b"), end(network, "x/a"), *packet(question)) is answer


def test_an_icmp_type_by_a_name_it_does_not_know_is_no_permission() -> None:
    network = OracleNetwork([*PODS, icmp("Photuris")])

    with pytest.raises(CannotTell, match="Photuris"):
        network.allows(end(network, "x/b"), end(network, "x/a"), "ICMP", 40)


def service(name: str, selector: dict[str, str] | None = None, **labels: str) -> Json:
    meta = {"name": name, "namespace": "x", "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector or {}}}


BY_HAND: Json = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "o-1", "namespace": "x", "labels": {"kubernetes.io/service-name": "outside"}},
    "endpoints": [{"addresses": ["203.0.113.1"]}],
}
SERVICES = [service("b", {"pod": "b"}, tier="back"), service("outside"), BY_HAND]


def to_services(entry: Json, **more: object) -> Json:
    return cnp("x/n", {"pod": "a"}, egress=[{"toServices": [entry], **more}])


def reach(policy: Json, there: str, knows_services: bool = True) -> bool:
    network = OracleNetwork([*PODS, *SERVICES, policy], True, knows_services)
    return network.allows(end(network, "x/a"), end(network, there), "TCP", 80)


def test_a_service_stands_for_its_pods_or_for_the_addresses_somebody_wrote() -> None:
    by_name = to_services({"k8sService": {"serviceName": "b", "namespace": "x"}})
    by_label = to_services({"k8sServiceSelector": {"selector": {"matchLabels": {"tier": "back"}}, "namespace": "x"}})
    by_hand = to_services({"k8sService": {"serviceName": "outside"}})

    assert [reach(each, "x/b") for each in (by_name, by_label, by_hand)] == [True, True, False]
    assert [reach(each, "203.0.113.1") for each in (by_name, by_label, by_hand)] == [False, False, True]


def test_a_selector_that_finds_no_service_is_everybody_with_ports_and_nobody_without() -> None:
    none = {"k8sServiceSelector": {"selector": {"matchLabels": {"tier": "none"}}}}

    assert reach(to_services(none), "x/b") is False
    assert reach(to_services(none, toPorts=[{"ports": [{"port": "80"}]}]), "x/b") is True


def test_services_in_a_deny_rule_deny_nothing() -> None:
    deny = {"toServices": [{"k8sService": {"serviceName": "b", "namespace": "x"}}]}
    policy = cnp("x/n", {"pod": "a"}, egress=[{"toEntities": ["all"]}], egressDeny=[deny])

    assert reach(policy, "x/b") is True


@pytest.mark.parametrize(("name", "knows"), [("b", False), ("nowhere", True)])
def test_an_older_version_or_a_service_that_is_not_here_cannot_be_told(name: str, knows: bool) -> None:
    with pytest.raises(CannotTell):
        reach(to_services({"k8sService": {"serviceName": name, "namespace": "x"}}), "x/b", knows)
