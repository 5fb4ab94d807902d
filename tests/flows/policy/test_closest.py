"""The rule that came closest, and the kind of mistake it looks like."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from flows.policy import CILIUM, Judgement, MissKind, Mistake, PolicyVerdict, PolicyWorld, mistake_of, slips
from tests.flows.policy.builders import Json, ask, cnp, named, netpol, pod, space
from tests.flows.policy.recordings import ALLOWED, CASES, case_world, policy_verdicts, traffic_of

SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "api", "namespace": "pay"},
    "spec": {"clusterIP": "10.96.0.5", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
CLUSTER = [
    space("shop", team="shop"),
    space("pay"),
    pod("shop/web", "10.0.0.1", app="web"),
    pod("pay/api", "10.0.1.1", {"http": 8080}, app="api"),
    SERVICE,
]
API = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "api"}}}


def egress(*rules: Json) -> Judgement:
    policy = netpol("shop/out", {"app": "web"}, ["Egress"], egress=list(rules))
    return judged(policy)


def judged(*policies: Json, to: str = "pay/api", port: str = "TCP 8080") -> Judgement:
    world = PolicyWorld.of([*CLUSTER, *policies], CILIUM)
    return world.judge(ask(world, "shop/web", to, port))


def first_miss(verdict: PolicyVerdict) -> dict[str, Any]:
    miss = verdict.closest[0][1].misses[0]
    return {"kind": miss.kind, "path": miss.path, "expected": miss.expected, "got": miss.got, "near": miss.near}


def test_the_services_port_instead_of_the_pods_is_a_wrong_port() -> None:
    verdict = egress({"to": [API], "ports": [{"port": 80}]}).egress

    assert mistake_of(verdict) is Mistake.WRONG_PORT
    assert first_miss(verdict) == {
        "kind": MissKind.PORT,
        "path": "/spec/egress/0/ports/0/port",
        "expected": ("80",),
        "got": "8080",
        "near": 0,
    }
    assert "80 is the Service's port; policies see the pod's, 8080" in verdict.closest[0][1].why


def test_a_name_no_pod_has_is_a_wrong_port() -> None:
    verdict = egress({"to": [API], "ports": [{"port": "web"}]}).egress

    assert (mistake_of(verdict), first_miss(verdict)["kind"]) == (Mistake.WRONG_PORT, MissKind.NAMED_PORT)


def test_the_default_protocol_forgotten_is_a_wrong_port() -> None:
    policy = netpol("shop/out", {"app": "web"}, ["Egress"], egress=[{"to": [API], "ports": [{"port": 53}]}])

    verdict = judged(policy, port="UDP 53").egress

    assert (mistake_of(verdict), first_miss(verdict)["path"]) == (Mistake.WRONG_PORT, "/spec/egress/0/ports/0/protocol")


def test_a_misspelt_label_is_a_wrong_selector_and_says_how_far() -> None:
    peer = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "aip"}}}

    verdict = egress({"to": [peer]}).egress

    assert mistake_of(verdict) is Mistake.WRONG_SELECTOR
    assert first_miss(verdict) == {
        "kind": MissKind.LABEL,
        "path": "/spec/egress/0/to/0/podSelector/matchLabels/app",
        "expected": ("aip",),
        "got": "api",
        "near": 1,
    }


def test_a_pod_selector_without_its_namespace_is_a_wrong_selector() -> None:
    verdict = egress({"to": [{"podSelector": {"matchLabels": {"app": "api"}}}]}).egress

    assert (mistake_of(verdict), first_miss(verdict)["kind"]) == (Mistake.WRONG_SELECTOR, MissKind.NAMESPACE)


def test_a_label_the_namespace_lacks_is_a_wrong_selector() -> None:
    verdict = egress({"to": [{"namespaceSelector": {"matchLabels": {"team": "pay"}}}]}).egress

    assert (mistake_of(verdict), first_miss(verdict)["kind"]) == (Mistake.WRONG_SELECTOR, MissKind.NAMESPACE_LABEL)


def test_a_block_over_the_pods_address_never_matches_under_cilium() -> None:
    verdict = egress({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}).egress

    assert mistake_of(verdict) is Mistake.CIDR_NEVER_MATCHES


def test_another_name_than_the_one_looked_up_is_a_name_mismatch() -> None:
    policy = cnp("shop/out", {"app": "web"}, egress=[{"toFQDNs": [{"matchName": "api.example.com"}]}])

    verdict = judged(policy, to="name:cdn.example.net", port="TCP 443").egress

    assert (mistake_of(verdict), first_miss(verdict)["got"]) == (Mistake.FQDN_MISMATCH, "cdn.example.net")


def test_a_rule_for_another_pod_is_no_mistake() -> None:
    peer = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "warehouse"}}}

    assert mistake_of(egress({"to": [peer]}).egress) is Mistake.NO_RULE
    assert mistake_of(egress().egress) is Mistake.NO_RULE


def test_two_wrong_things_are_no_mistake_but_another_intent() -> None:
    verdict = egress({"to": [{"podSelector": {"matchLabels": {"app": "aip"}}}], "ports": [{"port": 80}]}).egress

    assert mistake_of(verdict) is Mistake.NO_RULE


def test_an_explicit_deny_is_no_mistake() -> None:
    verdict = judged(cnp("shop/no", {"app": "web"}, egressDeny=[{"toEntities": ["cluster"]}])).egress

    assert mistake_of(verdict) is Mistake.EXPLICIT_DENY


def test_the_nearest_rule_comes_first_across_policies() -> None:
    typo = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "apl"}}}
    far = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "database"}}}
    near = netpol("shop/b", {"app": "web"}, ["Egress"], egress=[{"to": [far]}, {"to": [typo]}])
    away = netpol("shop/a", {"app": "web"}, ["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])

    judgement = judged(away, near)

    assert [(ref.name, rule.index) for ref, rule in judgement.egress.closest] == [("b", 1), ("b", 0), ("a", 0)]
    assert [(ref.name, rule.index) for ref, rule in slips(judgement)] == [("b", 1)]


def test_an_allowed_connection_has_no_closest_rule() -> None:
    judgement = egress({"to": [API]})

    assert (judgement.allowed, judgement.egress.closest, mistake_of(judgement.egress)) == (True, (), None)


EXPECTED = {
    "policy.wrong_port": Mistake.WRONG_PORT,
    "policy.wrong_selector": Mistake.WRONG_SELECTOR,
    "policy.cidr_never_matches": Mistake.CIDR_NEVER_MATCHES,
    "policy.fqdn_mismatch": Mistake.FQDN_MISMATCH,
    "policy.explicit_deny": Mistake.EXPLICIT_DENY,
    "policy.egress_denied": Mistake.NO_RULE,
    "policy.ingress_denied": Mistake.NO_RULE,
    "policy.both_sides_denied": Mistake.NO_RULE,
    "policy.dns_blocked": Mistake.NO_RULE,
}


def denials() -> list[tuple[str, Mistake]]:
    found = []
    for truth in sorted(CASES.glob("*.expected.yaml")):
        wanted = EXPECTED.get(yaml.safe_load(truth.read_text())["cause_class"])
        if wanted is not None:
            found.append((truth.name.removesuffix(".expected.yaml"), wanted))
    return found


@pytest.mark.parametrize(("case", "wanted"), denials())
def test_the_mistake_of_a_recorded_incident_is_the_known_one(case: str, wanted: Mistake) -> None:
    world = case_world(case)
    dropped = [f for f in policy_verdicts(CASES / case / "flows.jsonl") if not ALLOWED[f["verdict"]]]

    judgements = [(flow, world.judge(traffic_of(flow))) for flow in dropped]

    sides = [j.egress if flow["traffic_direction"] == "EGRESS" else j.ingress for flow, j in judgements]
    assert {mistake_of(side) for side in sides} == {wanted}


def test_there_are_nine_incidents_of_policy() -> None:
    assert len(denials()) >= 9
