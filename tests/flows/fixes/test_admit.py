"""The ways to admit a connection: what a small policy of our own must never be the first to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.denials.judged import judged_connections
from flows.fixes.admit import drafts
from flows.model import AdmitTraffic, Case
from tests.flows.fixes.recorded import recorded
from tests.flows.rules.policies import with_objects


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
