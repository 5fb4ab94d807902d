"""May this person approve this proposal now? Pure: everything it needs is handed in, and what is missing is a no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.approval.person import TERMINAL, ApprovalRefusal
from bot.approval.proposal import Approval, KubeUser, Proposal, Purpose
from bot.approval.rules import Approvals, Rules
from bot.approval.states import IN_FORCE, OPEN, ProposalState


@dataclass(frozen=True, slots=True)
class AccessReview:
    """Answer of the API server to a SubjectAccessReview about one part: `allowed`, and its own words."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Checks whether the approvals given so far suffice; `missing` says in a sentence what they lack."""

    enough: bool
    given: int
    needed: int
    missing: str = ""


def closed(proposal: Proposal, now: datetime) -> ApprovalRefusal | None:
    """Can anybody still approve it?"""
    if proposal.state not in OPEN:
        return ApprovalRefusal(
            "closed", f"This proposal is {words(proposal.state)}{_because(proposal)}: nothing was done."
        )
    if now >= proposal.expires_at:
        return ApprovalRefusal(
            "expired", f"This proposal has expired at {proposal.expires_at:%H:%M} UTC: run it again."
        )
    return None


def barred(
    proposal: Proposal, person: str, who: KubeUser, approvals: Approvals, now: datetime
) -> ApprovalRefusal | None:
    """Applies the operator's rules to this person and this change, before the API server is asked anything."""
    for each in proposal.parts:
        rules = approvals.of(each.namespace)
        if rules.denied:
            return ApprovalRefusal("denied_namespace", f"Nothing is changed by KAI in the namespace {each.namespace}.")
        if each.target.kind in rules.denied_kinds:
            return ApprovalRefusal(
                "denied_kind", f"KAI changes no {each.target.kind} in the namespace {each.namespace}."
            )
        if rules.quiet is not None and rules.quiet.holds(now) and proposal.purpose is Purpose.CHANGE:
            return ApprovalRefusal("quiet", f"No change is approved in {each.namespace} from {rules.quiet}.")
        if rules.terminal_only and proposal.purpose is not Purpose.ROLLBACK and not person.startswith(TERMINAL):
            said = f"Changes in {each.namespace} are approved in a terminal only: kai approve {proposal.id}"
            return ApprovalRefusal("terminal_only", said)
    return _not_the_one(proposal, person, who, approvals)


def _not_the_one(proposal: Proposal, person: str, who: KubeUser, approvals: Approvals) -> ApprovalRefusal | None:
    every = [approvals.of(each) for each in proposal.namespaces]
    if not any(_may_approve(rules, person, who) for rules in every):
        return ApprovalRefusal("not_an_approver", "You are not among those who may approve changes here.")
    own = person in proposal.asked_by or person == proposal.edited_by
    if own and proposal.purpose is not Purpose.ROLLBACK and any(each.two_persons for each in every):
        return ApprovalRefusal("own_request", "Two persons are needed here, and you have asked for it yourself.")
    return None


def _may_approve(rules: Rules, person: str, who: KubeUser) -> bool:
    return not rules.approvers or person in rules.approvers or not rules.approvers.isdisjoint(who.groups)


def covered(
    proposal: Proposal, person: str, who: KubeUser, approvals: Approvals, reviews: Sequence[AccessReview]
) -> tuple[int, ...] | ApprovalRefusal:
    """The parts that this person may change, by the API server's word; a refusal where there is none."""
    if len(reviews) != len(proposal.parts):
        return ApprovalRefusal("not_reviewed", "The API server could not be asked about your rights: nothing was done.")
    able = [
        place
        for place, (part, review) in enumerate(zip(proposal.parts, reviews, strict=True))
        if review.allowed and _may_approve(approvals.of(part.namespace), person, who)
    ]
    if able:
        return tuple(able)
    part, said = proposal.parts[0], next((each.reason for each in reviews if each.reason), "")
    why = f" ({said})" if said else ""
    return ApprovalRefusal("rbac", f"Kubernetes does not let {who} change {part.target}{why}.")


SECOND_PAIR_OF_EYES = 2
"""Persons that a change needs where Claude names evidence against the verdict that it mends."""


def standing(
    proposal: Proposal, given: Sequence[Approval], approvals: Approvals, *, disputed: bool = False
) -> Standing:
    """Do these approvals suffice? Only those of this very hash count, one for each person and each Kubernetes user."""
    rules = approvals.strictest(proposal.namespaces)
    counted = _distinct([each for each in given if each.sha256 == proposal.sha256])
    uncovered = [
        part.target for place, part in enumerate(proposal.parts) if not any(place in each.covers for each in counted)
    ]
    needed = max(rules.needed, len(proposal.namespaces) if rules.both_sides else 1)
    needed = max(needed, SECOND_PAIR_OF_EYES) if disputed else needed
    if proposal.purpose is Purpose.ROLLBACK:
        needed = 1
    if uncovered:
        return Standing(False, len(counted), needed, f"no person with rights on {uncovered[0]} has approved yet")
    if len(counted) < needed:
        why = "; Claude sees evidence against the verdict" if disputed else ""
        return Standing(False, len(counted), needed, f"{len(counted)} of {needed} approvals{why}")
    return Standing(True, len(counted), needed)


def _distinct(given: Sequence[Approval]) -> list[Approval]:
    """The newest of each person, and of two persons who are one to Kubernetes only one."""
    by_person = {each.person: each for each in given}
    return list({each.who.name: each for each in by_person.values()}.values())


def writer(proposal: Proposal, given: Sequence[Approval], place: int) -> KubeUser | None:
    """As whom a part is written: the last one who approved it and may change it."""
    fitting = [each for each in given if each.sha256 == proposal.sha256 and place in each.covers]
    return max(fitting, key=lambda each: each.at).who if fitting else None


def decided_by(proposal: Proposal, given: Sequence[Approval], now: datetime) -> str:
    """Earlier decision and its time: for those who come too late; empty where nobody has approved it."""
    last = max(given, key=lambda each: each.at, default=None)
    if last is None or proposal.state in OPEN:
        return ""
    seconds = max(int((now - last.at).total_seconds()), 0)
    ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return f" {last.who} approved it {ago} ago."


def may_undo(proposal: Proposal) -> ApprovalRefusal | None:
    if proposal.purpose is Purpose.CHANGE and proposal.state in IN_FORCE:
        return None
    return ApprovalRefusal("not_in_force", f"There is nothing to undo: this proposal is {words(proposal.state)}.")


_WORDS = {
    ProposalState.PROPOSED: "waiting for an approval",
    ProposalState.NOT_VERIFIED: "applied and not verified",
    ProposalState.ROLLING_BACK: "being rolled back",
    ProposalState.ROLLED_BACK: "rolled back",
    ProposalState.STUCK: "applied, and could not be rolled back",
    ProposalState.UNKNOWN: "written, and its result is unknown",
    ProposalState.APPLYING: "being applied",
}


def words(state: ProposalState) -> str:
    """As a sentence says it: `this proposal is …`."""
    return _WORDS.get(state, state.value)


def _because(proposal: Proposal) -> str:
    return f" ({proposal.why})" if proposal.why else ""
