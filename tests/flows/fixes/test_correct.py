"""One wrong word, one operation: the correction of each kind of slip, on recorded objects with that slip put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.fixes.build import build
from flows.model import Fix
from flows.rules import policy_cidr_never_matches, policy_wrong_port, policy_wrong_selector
from tests.flows.rules.facts import only
from tests.flows.rules.policies import with_objects, with_policy
from tests.kit.cases import case_of

Edit = Callable[[dict[str, Any]], None]


def mended(case_name: str, policy: str, edit: Edit, rule: Any) -> Fix:
    """The fix that is offered when the policy has this slip."""
    case = with_policy(case_of(case_name), policy, edit)
    (fix, *_) = build(only(rule.RULE, case), case)
    assert fix.automatic, fix
    return fix


def test_a_misspelt_label_is_spelt_right() -> None:
    def misspelt(policy: dict[str, Any]) -> None:
        policy["spec"]["ingress"][0]["from"] = [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "analytcs"}}}
        ]

    fix = mended("reports-to-warehouse", "warehouse-access", misspelt, policy_wrong_selector)

    place = "/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name"
    assert fix.patch == (
        {"op": "test", "path": place, "value": "analytcs"},
        {"op": "replace", "path": place, "value": "analytics"},
    )


def test_a_forgotten_namespace_comes_beside_the_old_peer() -> None:
    """The old peer may be in use by pods of the policy's own namespace: it stays."""

    def forgot(policy: dict[str, Any]) -> None:
        policy["spec"]["ingress"][0]["from"] = [{"podSelector": {"matchLabels": {"app": "reports"}}}]

    fix = mended("reports-to-warehouse", "warehouse-access", forgot, policy_wrong_selector)

    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/ingress/0/from/-",
        "value": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "analytics"}},
            "podSelector": {"matchLabels": {"app": "reports"}},
        },
    }


def test_a_port_name_nobody_has_becomes_a_number() -> None:
    def named(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["ports"][0]["port"] = "web"

    fix = mended("basket-to-pricing", "basket-egress", named, policy_wrong_port)

    assert fix.patch[-1] == {"op": "replace", "path": "/spec/egress/1/ports/0/port", "value": 8080}


def test_a_range_is_not_bent_but_joined_by_the_right_port() -> None:
    def ranged(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["ports"][0] |= {"port": 80, "endPort": 90}

    fix = mended("basket-to-pricing", "basket-egress", ranged, policy_wrong_port)

    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/egress/1/ports/-",
        "value": {"port": 8080, "protocol": "TCP"},
    }


def test_a_block_of_outside_addresses_stays_beside_the_labels() -> None:
    """0.0.0.0/0 means the internet to its author, who wonders why it does not cover the pods."""

    def everything(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["to"] = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]

    fix = mended("importer-to-store", "importer-egress", everything, policy_cidr_never_matches)

    assert fix.patch[-1] == {
        "op": "add",
        "path": "/spec/egress/1/to/-",
        "value": {"podSelector": {"matchLabels": {"app": "objects"}}},
    }


def test_a_service_cidr_without_ports_is_never_widened() -> None:
    """A peer added to a rule without ports would be open on all of them: a rule of its own is offered instead."""

    def article(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]})

    case = with_policy(case_of("api-server-cannot-watch"), "strict-egress", article)
    (fix, *others) = build(only(policy_cidr_never_matches.RULE, case), case)

    assert fix.kind == "manifest"
    assert fix.patch[0]["spec"]["egress"][0]["toEntities"] == ["kube-apiserver"]
    assert all("ipBlock" not in str(each.patch) for each in (fix, *others))


def test_a_namespace_without_any_labels_gets_its_first() -> None:
    def bare(thing: dict[str, Any]) -> None:
        if thing["kind"] == "Namespace" and thing["metadata"]["name"] == "analytics":
            del thing["metadata"]["labels"]

    case = with_objects(case_of("reports-to-warehouse"), bare)
    (fix, *_) = build(only(policy_wrong_selector.RULE, case), case)

    assert fix.patch[-1] == {"op": "add", "path": "/metadata/labels", "value": {"access": "warehouse"}}
