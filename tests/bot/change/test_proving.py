"""What a proof on the policies of now says: a change that takes something away is put before nobody."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from bot.change.proving import _complaint, eligible
from bot.change.proving import fresh as proof_of
from bot.change.rollback import is_same
from flows.denials.policy_world import world_of
from flows.fixes.build import build
from flows.fixes.jsonpatch import apply
from flows.model import Case, Fix
from flows.policy import PolicyRef
from tests.bot.approval.making import part, proposal
from tests.flows.fixes.recorded import policy_findings
from tests.kit.cases import case_of


def fix_of(case: Case) -> Fix:
    return build(policy_findings(case)[0], case)[0]


def fixed(case: Case, fix: Fix) -> dict[str, Any]:
    """The object as the fix leaves it."""
    assert fix.target is not None
    ref = PolicyRef(fix.target.kind, fix.target.namespace, fix.target.name)
    found = case.once(world_of).policy_object(ref)
    assert found is not None
    return dict(apply(found, fix.patch))


def test_a_fix_that_only_adds_holds_and_takes_nothing_away():
    case = case_of("importer-to-store")
    fix = fix_of(case)

    fresh = proof_of(case, [part()], [fixed(case, fix)], _complaint(case))

    assert (fresh.why, fresh.proved.newly_denied, eligible(fix)) == ("", (), True)
    assert fresh.proved.newly_allowed


def test_the_same_fix_that_also_drops_a_rule_is_not_to_be_approved():
    """As somebody may edit it on the card: nothing was seen on the way that it shuts, and it was open."""
    case = case_of("importer-to-store")
    after = copy.deepcopy(fixed(case, fix_of(case)))
    dropped = after["spec"]["egress"].pop(1)

    fresh = proof_of(case, [part()], [after], _complaint(case))

    assert dropped
    assert fresh.why.startswith("it would close ")
    assert fresh.proved.newly_denied


def test_what_was_shown_is_not_the_same_when_it_would_close_something_else():
    it = proposal()
    case = case_of("importer-to-store")
    fresh = proof_of(case, it.parts, [fixed(case, fix_of(case))], _complaint(case))
    shown = proposal(proved=fresh.proved)

    assert is_same(shown, fresh)
    assert not is_same(shown, replace(fresh, proved=replace(fresh.proved, newly_denied=("web → db TCP 80",))))


def test_an_address_is_proved_under_the_name_that_led_the_pod_to_it():
    """A rule of names compares names: the denied connection keeps the one that its address was the answer to."""
    case = case_of("sync-to-partner")
    fix = fix_of(case)
    (flow,) = _complaint(case)

    fresh = proof_of(case, [part()], [fixed(case, fix)], (flow,))

    assert flow.looked_up == "cdn.example.net"
    assert (fresh.why, eligible(fix)) == ("", True)


def test_an_address_of_which_no_name_is_known_stays_undecided():
    case = case_of("sync-to-partner")
    (flow,) = _complaint(case)

    fresh = proof_of(case, [part()], [fixed(case, fix_of(case))], (replace(flow, looked_up=""),))

    assert fresh.why.endswith("cannot be decided")
