"""The offered fix of every recorded policy incident: as narrow as the one that was verified on the real cluster."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from flows.catalog import rules
from flows.denials.policy_world import world_of
from flows.fixes.build import build
from flows.fixes.change import REMOVE_OBJECT, applied, component_of_object, undone
from flows.model import Case, Component, Finding, Fix
from flows.policy import Endpoint, PolicyWorld, Traffic
from sensors.cni_health import CniHealth
from sensors.k8s_network_policies import Policies
from tests.kit.cases import case_of, expected, names, with_facts

POLICY = [each for each in names() if expected(each)["cause_class"].startswith("policy.")]
FIXED = [each for each in POLICY if expected(each)["fix"]["automatic"]]


@cache
def diagnosed(name: str) -> tuple[Case, Finding]:
    """The case and the policy finding that is believed most, as the rules see it."""
    case = case_of(name)
    policy_rules = [rule for rule in rules().values() if rule.id.startswith("policy-")]
    said = [each for rule in policy_rules for each in rule.of(case)]
    cause = expected(name)["cause_class"]
    return case, next(each for each in said if each.cause_class == cause)


def offered(name: str) -> tuple[Case, tuple[Fix, ...]]:
    case, finding = diagnosed(name)
    return case, build(finding, case)


def after(case: Case, fix: Fix) -> PolicyWorld:
    return PolicyWorld.of(applied(case[Policies].objects, fix), case.once(world_of).profile)


def endpoint(world: PolicyWorld, said: dict[str, Any], other: str = "") -> Endpoint:
    """One side of a pair of the truth file."""
    if said.get("pod") == "any":
        return Endpoint(said["namespace"], "any", {}, {"kubernetes.io/metadata.name": said["namespace"]})
    if "pod" in said:
        found = world.endpoint_of_pod(said["namespace"], said["pod"])
        assert found is not None
        return found
    if "ip" in said:
        found = world.endpoint_at(said["ip"])
        return replace(found, fqdns=(said["fqdn"],) if "fqdn" in said else (), names_known=True)
    return Endpoint(ip="203.0.113.77", entities=frozenset({said["entity"]}), names_known=True)


def judged(world: PolicyWorld, pair: dict[str, Any]) -> bool | None:
    source, destination = endpoint(world, pair["from"]), endpoint(world, pair["to"])
    return world.judge(Traffic(source, destination, pair["protocol"], pair["port"])).allowed


@pytest.mark.parametrize("name", FIXED)
def test_the_offered_fix_lets_every_dropped_packet_through(name: str) -> None:
    _, (fix, *_) = offered(name)

    assert fix.automatic
    assert fix.refused is None
    assert fix.proof is not None
    assert fix.proof.replayed == fix.proof.denied_before == fix.proof.allowed_after > 0
    assert fix.proof.undecidable == 0


@pytest.mark.parametrize("name", FIXED)
def test_the_offered_fix_allows_what_it_must(name: str) -> None:
    case, (fix, *_) = offered(name)
    world = after(case, fix)

    assert [judged(world, pair) for pair in expected(name)["fix"]["must_allow"]] == [True] * len(
        expected(name)["fix"]["must_allow"]
    )


@pytest.mark.parametrize("name", FIXED)
def test_no_one_button_fix_allows_what_it_must_not(name: str) -> None:
    case, fixes = offered(name)

    for fix in (each for each in fixes if each.automatic):
        world = after(case, fix)
        pairs = expected(name)["fix"]["must_not_allow"]

        assert [judged(world, pair) for pair in pairs] == [False] * len(pairs), fix.title


@pytest.mark.parametrize("name", FIXED)
def test_every_way_back_restores_the_very_same_objects(name: str) -> None:
    case, fixes = offered(name)
    before = case[Policies].objects

    for fix in fixes:
        assert applied(before, fix) != before
        assert undone(applied(before, fix), fix) == before


@pytest.mark.parametrize("name", [each for each in POLICY if each not in FIXED])
def test_a_deny_rule_is_never_lifted_with_a_button(name: str) -> None:
    _, fixes = offered(name)

    assert [each.automatic for each in fixes] == [False]


def test_the_api_server_is_admitted_by_what_it_is_on_the_port_policies_see() -> None:
    _, (fix, *_) = offered("api-server-cannot-watch")
    (manifest,) = fix.patch

    assert fix.kind == "manifest"
    assert fix.inverse == REMOVE_OBJECT
    assert fix.target == Component("CiliumNetworkPolicy", "production", manifest["metadata"]["name"])
    assert manifest["metadata"]["name"].startswith("kai-allow-")
    assert manifest["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "kai-netdebug"}
    assert set(manifest["metadata"]["annotations"]) == {"kai.dev/expires", "kai.dev/investigation"}
    assert manifest["spec"] == {
        "endpointSelector": {"matchLabels": {"app": "api-server"}},
        "egress": [{"toEntities": ["kube-apiserver"], "toPorts": [{"ports": [{"port": "6443", "protocol": "TCP"}]}]}],
    }
    assert fix.newly_allowed == ("production/Deployment api-server -> kube-apiserver TCP 6443",)
    assert fix.proof is not None
    assert fix.proof.replayed == 847


def test_a_wrong_port_is_one_word_to_replace() -> None:
    _, (fix, *_) = offered("basket-to-pricing")

    assert fix.patch == (
        {"op": "test", "path": "/spec/egress/1/ports/0/port", "value": 80},
        {"op": "replace", "path": "/spec/egress/1/ports/0/port", "value": 8080},
    )
    assert fix.kubectl == (
        "kubectl -n retail patch networkpolicy basket-egress --type=json "
        '-p=\'[{"op":"test","path":"/spec/egress/1/ports/0/port","value":80},'
        '{"op":"replace","path":"/spec/egress/1/ports/0/port","value":8080}]\''
    )


def test_a_cidr_around_the_pods_addresses_stays_beside_the_labels() -> None:
    """10.244.0.0/16 in the rule, a /24 of it for each of two nodes: who has the rest is not known."""
    _, (fix, *_) = offered("importer-to-store")

    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/egress/1/to/-",
        "value": {"podSelector": {"matchLabels": {"app": "objects"}}},
    }


@pytest.mark.parametrize("known_by", ["nodes", "pool"])
def test_a_cidr_inside_the_pods_addresses_gives_way_to_labels(known_by: str) -> None:
    case, finding = diagnosed("importer-to-store")
    whole = ("10.244.0.0/16",)
    if known_by == "nodes":
        case = replace(case, environment=replace(case.environment, pod_cidrs=whole), derived={})
    else:
        case = with_facts(case, replace(case[CniHealth], config={"cluster-pool-ipv4-cidr": whole[0]}))

    (fix, *_) = build(finding, case)

    assert fix.newly_denied == ()
    assert fix.patch[-1] == {
        "op": "replace",
        "path": "/spec/egress/1/to",
        "value": [{"podSelector": {"matchLabels": {"app": "objects"}}}],
    }


def test_a_missing_name_is_added_to_the_names() -> None:
    _, (fix, *_) = offered("sync-to-partner")

    assert fix.patch[-1] == {"op": "add", "path": "/spec/egress/1/toFQDNs/-", "value": {"matchName": "cdn.example.net"}}


def test_dns_is_admitted_on_both_protocols() -> None:
    _, (fix, *_) = offered("worker-to-queue")

    assert fix.patch[-1]["value"] == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }


def test_both_sides_get_their_patch() -> None:
    _, (fix, *_) = offered("checkout-to-bank")

    assert [each.target for each in (fix, *fix.also)] == [
        Component("NetworkPolicy", "checkout", "checkout-egress"),
        Component("NetworkPolicy", "payments", "bank-ingress"),
    ]


def test_a_missing_namespace_label_is_one_label() -> None:
    _, (fix, *_) = offered("reports-to-warehouse")

    assert fix.target == Component("Namespace", "", "analytics")
    assert fix.patch[-1] == {"op": "add", "path": "/metadata/labels/access", "value": "warehouse"}


def test_a_policy_for_the_whole_namespace_is_left_alone() -> None:
    """A rule in `baseline` would open vault as well."""
    _, (fix, *others) = offered("orders-to-ledger")

    assert fix.kind == "manifest"
    assert fix.patch[0]["spec"]["podSelector"] == {"matchLabels": {"app": "ledger"}}
    assert [each.automatic for each in others] == [False]


def test_a_policy_kept_by_argo_cd_is_not_edited_first() -> None:
    case, finding = diagnosed("basket-to-pricing")
    owned = with_facts(case, replace(case[Policies], objects=tuple(map(_owned, case[Policies].objects))))

    first, *others = build(finding, owned)

    assert first.kind == "manifest"
    assert first.owner is None
    assert {each.owner for each in others} == {"Argo CD shop"}


def _owned(thing: Any) -> Any:
    if component_of_object(thing) != Component("NetworkPolicy", "retail", "basket-egress"):
        return thing
    tracked = {"argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/NetworkPolicy:retail/basket-egress"}
    return {**thing, "metadata": {**thing["metadata"], "annotations": tracked}}


def test_more_than_the_allowed_number_of_ways_is_refused() -> None:
    case, finding = diagnosed("worker-to-queue")

    fixes = build(finding, case, max_newly_allowed=1)

    assert {each.refused for each in fixes} == {"it opens 2 ways, more than the 1 allowed"}
    assert not any(each.automatic for each in fixes)


def test_a_port_that_somebody_serves_is_not_taken_away() -> None:
    """pricing declares port 80, too: then the right port comes beside it."""
    case, finding = diagnosed("basket-to-pricing")
    serving = with_facts(case, replace(case[Policies], objects=tuple(map(_serves_80, case[Policies].objects))))

    first, *_ = build(finding, serving)

    added = {"port": 8080, "protocol": "TCP"}
    assert first.patch[-1] == {"op": "add", "path": "/spec/egress/1/ports/-", "value": added}


def _serves_80(thing: Any) -> Any:
    if thing["kind"] != "Pod" or thing["metadata"].get("labels", {}).get("app") != "pricing":
        return thing
    (container, *rest) = thing["spec"]["containers"]
    containers = [{**container, "ports": [{"containerPort": 80}]}, *rest]
    return {**thing, "spec": {**thing["spec"], "containers": containers}}


def test_a_fix_proved_against_a_part_of_the_policies_is_for_a_person_to_judge() -> None:
    case, finding = diagnosed("orders-to-ledger")
    unread = replace(case[Policies], unreadable={"CiliumNetworkPolicy": "forbidden"})

    whole, partly = build(finding, case)[0], build(finding, with_facts(case, unread))[0]

    assert (whole.automatic, partly.automatic) == (True, False)
    assert "not read: CiliumNetworkPolicy; one of those may refuse it all the same" in partly.notes


def test_a_fix_proved_among_some_pods_may_open_more_than_it_lists_and_is_for_a_person_to_judge() -> None:
    case, finding = diagnosed("orders-to-ledger")
    some = replace(case[Policies], unreadable={"Pod": "too many"}, pods_of=("ledger", "orders"))

    first = build(finding, with_facts(case, some))[0]

    assert not first.automatic
    assert "pods were read in ledger, orders only: it may open more ways than are listed" in first.notes
    assert not [each for each in first.notes if "not read" in each]


def test_a_finding_without_a_remedy_has_no_fix() -> None:
    case, finding = diagnosed("basket-to-pricing")

    assert build(replace(finding, remedy=None), case) == ()
