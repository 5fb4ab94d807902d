"""Turns a finding into fixes: typed remedy in, patches out, each with its way back, its `kubectl` line and its proof.

The first fix is the one to offer. A patch never comes from a model or from Slack, only from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flows.denials.connection import JudgedConnection
from flows.denials.judged import judged_connections
from flows.fixes.admit import Draft, drafts
from flows.fixes.change import component_of_object, fix_of, owner_of, said_of
from flows.fixes.closing import in_words, taken_away
from flows.fixes.lift import lift_deny
from flows.fixes.memory import raise_memory
from flows.fixes.pair import as_it_will_be, led_right, refused_after, together
from flows.fixes.proof import MAX_NEWLY_ALLOWED, Trial, denied_ones, try_out, unread_kinds
from flows.fixes.requests import admit_requests
from flows.fixes.service import set_selector, set_target_port
from flows.model import (
    AdmitTraffic,
    Case,
    Finding,
    Fix,
    JsonPatchFix,
    LiftDeny,
    Missing,
    RaiseMemory,
    SetSelector,
    SetTargetPort,
)
from sensors.k8s_network_policies import Policies

MOST_FIXES = 4


def build(finding: Finding, case: Case, max_newly_allowed: int = MAX_NEWLY_ALLOWED) -> tuple[Fix, ...]:
    """The fixes of a finding, the offered one first; empty where no safe change is known."""
    remedy = finding.remedy
    match remedy:
        case AdmitTraffic():
            return _admitting(remedy, case, max_newly_allowed)
        case LiftDeny():
            return _lifting(remedy, case, max_newly_allowed)
        case SetTargetPort():
            return _leading(remedy, case, max_newly_allowed)
        case SetSelector():
            return (_owned(set_selector(remedy), case),)
        case RaiseMemory():
            return raise_memory(remedy)
    return ()


def _owned(fix: JsonPatchFix, case: Case) -> JsonPatchFix:
    """With the name of whoever would undo the change, and which object it is, where the object was read."""
    policies = case.get(Policies)
    objects = policies.objects if policies is not None else ()
    found = next((each for each in objects if component_of_object(each) == fix.target), None)
    if found is None:
        return fix
    uid, version = said_of(found, "uid"), said_of(found, "resourceVersion")
    return replace(fix, owner=owner_of(found), uid=uid, resource_version=version)


def _leading(remedy: SetTargetPort, case: Case, most: int) -> tuple[Fix, ...]:
    """The Service's right port, with the rule that this port needs, too, where policies would refuse it."""
    mended = _owned(set_target_port(remedy), case)
    try:
        refused = refused_after(case, remedy)
        replays = tuple(JudgedConnection(each, None, True) for each in refused)
        rules = _ranked(AdmitTraffic(refused, ()), replays, case, most) if refused else ()
    except Missing:
        return (mended,)
    if refused and not rules:
        note = f"policies refuse port {remedy.wanted}, too, and no change of them could be proved"
        return (replace(mended, automatic=False, notes=(*mended.notes, note)),)
    return tuple(together(each, [mended]) for each in rules) or (mended,)


def _admitting(remedy: AdmitTraffic, case: Case, most: int) -> tuple[Fix, ...]:
    try:
        if any(each.traffic.l7 for each in remedy.denied):
            return admit_requests(remedy, case)
        right, wrong = led_right(case, remedy)
        services = [_owned(set_target_port(each), case) for each in wrong]
        if services and all(each.allowed for each in right.denied):
            return tuple(services)  # the policies admit the right port already
        replays = tuple(as_it_will_be(case, each) for each in _replays(remedy, case))
        return tuple(together(each, services) for each in _ranked(right, replays, case, most))
    except Missing:
        return ()


def _lifting(remedy: LiftDeny, case: Case, most: int) -> tuple[Fix, ...]:
    try:
        return tuple(each for each in lift_deny(remedy, _replays(remedy, case), case, most) if _helps(each))
    except Missing:
        return ()


def _ranked(remedy: AdmitTraffic, replays: tuple[JudgedConnection, ...], case: Case, most: int) -> tuple[Fix, ...]:
    found = [_try(each, replays, case, most) for each in drafts(remedy, case)]
    return tuple(each.fix for each in sorted(found, key=_Ranked.order) if _helps(each.fix))[:MOST_FIXES]


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A fix with what decides about its place: it closes nothing, then it opens little, then it is a small edit."""

    fix: Fix
    ways: int
    rank: int

    def order(self) -> tuple[bool, bool, int, int]:
        return bool(self.fix.refused), not (self.fix.proof and self.fix.proof.holds), self.ways, self.rank


def _try(draft: Draft, replays: tuple[JudgedConnection, ...], case: Case, most: int) -> _Ranked:
    trial = try_out(case, [each.after for each in draft.changes], only=replays)
    ways = {(each.source, each.destination, each.protocol) for each in (*trial.diff.opened, *trial.diff.undecidable)}
    return _Ranked(_proved(draft, trial, case, most), len(ways), draft.rank)


def _helps(fix: Fix) -> bool:
    """A change that admits not one of the refused connections is no fix, whatever it looks like."""
    return fix.proof is not None and fix.proof.allowed_after > 0


def _proved(draft: Draft, trial: Trial, case: Case, most: int) -> Fix:
    first, *others = (fix_of(each, draft.title) for each in draft.changes)
    refused = "; ".join(filter(None, (trial.refused(most), _closes(trial, draft, case)))) or None
    unread = unread_kinds(case)
    return replace(
        first,
        proof=trial.proof,
        newly_allowed=tuple(str(each) for each in trial.diff.opened),
        newly_denied=in_words(case, trial.diff.closed),
        refused=refused,
        automatic=not (refused or unread or trial.diff.undecidable or draft.wide) and trial.proof.holds,
        notes=(*draft.notes, *_unheard(case), *_doubts(trial)),
        also=tuple(replace(each, title="") for each in others),
    )


def _replays(remedy: AdmitTraffic | LiftDeny, case: Case) -> tuple[JudgedConnection, ...]:
    """The observed connections this remedy is about; where none was observed, those that were computed."""
    wanted = {_ends(each.traffic.source, each.traffic.destination, each.traffic.port) for each in remedy.denied}
    mine = [
        each
        for each in case.once(judged_connections)
        if _ends(each.traffic.source, each.traffic.destination, each.traffic.port) in wanted
    ]
    dropped = tuple(each for each in mine if each.drop is not None)
    return dropped or tuple(each for each in mine if each.seen is None) or denied_ones(case)


def _ends(*ends: object) -> tuple[str, ...]:
    return tuple(map(str, ends))


def _closes(trial: Trial, draft: Draft, case: Case) -> str | None:
    """A fix takes nothing away, in use or not."""
    taken = in_words(case, taken_away(case, trial.diff.closed, draft.gives_up))
    more = f", and {len(taken) - 1} ways more" if len(taken) > 2 else ", and 1 way more" if len(taken) > 1 else ""
    return f"it closes {taken[0]}{more}" if taken else None


def _unheard(case: Case) -> Iterator[str]:
    policies = case.get(Policies)
    if policies is None:
        return
    if policies.pods_of:
        yield f"pods were read in {', '.join(policies.pods_of)} only: it may open more ways than are listed"
    if lacking := policies.unread:
        yield f"not read: {', '.join(lacking)}; one of those may refuse it all the same"


def _doubts(trial: Trial) -> tuple[str, ...]:
    said = [f"whether it also opens {each} cannot be told" for each in trial.diff.undecidable[:3]]
    return (*said, *trial.diff.because[:2])


__all__ = ["build"]
