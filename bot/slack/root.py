"""The root message of an investigation that is over, as it stands now: verdict, change, resolved alert, repeat."""

from __future__ import annotations

from bot.alerts.resolved import ROLE as RESOLVED
from bot.alerts.resolved import note_of as resolved_of
from bot.approval.proposal import Proposal
from bot.approval.states import ProposalState
from bot.change.changes import newest
from bot.desk.notes import earlier_of
from bot.report.blocks import Said, ended, verdict
from bot.report.json_result import CannotDecode, decode
from bot.slack import proposal_blocks
from bot.slack.notes import RootState
from bot.slack.renderer import render
from bot.slack.renderers.ended import person_of
from bot.slack.renderers.verdict import again_of
from bot.store import Investigation
from bot.store.store import Store

UNTOLD = (ProposalState.SUPERSEDED,)
"""States of which the root message says nothing: another proposal has taken the place of this one."""

TAKEN_BACK = (ProposalState.ROLLED_BACK, ProposalState.STUCK)
"""States that are news for the root message of a later look, too."""


async def root_of(it: Investigation, store: Store) -> Said:
    """Builds the root message: the newest proposal's state stands in place of the fix."""
    kept = await store.investigations.verdict(it.id)
    where = (it.id, person_of(it), it.request.cluster)
    if kept is None:
        return ended(it.request.target, it.state.value, it.why, *where)
    proposal = newest(await store.proposals.of(it.id)) or await _of_earlier(it, store)
    if proposal is None and (resolved := await _resolved(it, store)) is not None:
        return resolved
    try:
        found, before = decode(kept.result), await earlier_of(it, store)
    except CannotDecode as why:
        return ended(it.request.target, "failed", str(why), *where)
    change = proposal_blocks.on_root(proposal) if proposal is not None and proposal.state not in UNTOLD else None
    return verdict(found, person_of(it), it.request.cluster, change, again_of(before, found).words)


async def _of_earlier(it: Investigation, store: Store) -> Proposal | None:
    """A change that stands since the look before this one; what was only proposed then is over."""
    before = await store.repeats.earlier(it.id, it.asked_at)
    found = newest(await store.proposals.of(before)) if before is not None else None
    return found if found is not None and found.state in TAKEN_BACK else None


async def _resolved(it: Investigation, store: Store) -> Said | None:
    message = await store.messages.get(f"{it.id}.{RESOLVED}")
    note = await resolved_of(message, it, store) if message is not None else None
    said = [each.said for each in render(note) if isinstance(each, RootState)] if note is not None else []
    return said[0] if said else None
