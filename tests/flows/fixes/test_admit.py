"""The ways to admit a connection: what a small policy of our own must never be the first to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.denials.judged import judged_connections
from flows.fixes.admit import drafts
from flows.fixes.build import build
from flows.model import AdmitTraffic, Case, Component
from tests.flows.fixes.recorded import recorded
from tests.flows.rules.policies import with_objects
from tests.flows.variants.running import diagnose
from tests.kit.cases import case_of


def drafts_for_a_refused_egress(case: Case) -> list[str]:
    """Kinds of what is changed or made, as if the datapath refused egress, whatever the policies say."""
    (one,) = case.once(judged_connections)
    denied = replace(one.judgement, egress=replace(one.judgement.egress, allowed=False))
    found = drafts(AdmitTraffic((denied,), ()), case)
    return ["new" if change.before is None else "changed" for draft in found for change in draft.changes]


def test_a_new_policy_is_never_what_isolates_the_pod() -> None:
    """With the first egress policy of a pod all its other egress would be cut."""

    def ingress_only(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            thing["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}

    case = with_objects(recorded("port-of-another-peer"), ingress_only)

    assert "new" not in drafts_for_a_refused_egress(case)


def test_where_the_pod_is_isolated_already_a_small_policy_is_among_the_ways() -> None:
    assert "new" in drafts_for_a_refused_egress(recorded("port-of-another-peer"))


def test_a_policy_that_selects_nobody_isolates_nobody() -> None:
    def elsewhere(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            thing["spec"]["podSelector"] = {"matchLabels": {"app": "nobody"}}

    assert "new" not in drafts_for_a_refused_egress(with_objects(recorded("port-of-another-peer"), elsewhere))


# -- a policy of Calico's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["80-calico-gnp-v3", "80b-calico-gnp-crd"])
def test_beside_a_policy_of_calico_s_own_stands_one_of_ours_and_theirs_is_never_edited(name: str) -> None:
    case = case_of(name)
    root = diagnose(case).findings[0][0]
    offered = build(root, case)

    assert root.component == Component("GlobalNetworkPolicy", "", "deny-app-traffic")
    assert offered
    assert {change.target.kind for each in offered for change in (each, *each.also)} == {"NetworkPolicy"}
    assert all(each.proof and each.proof.holds for each in offered)
