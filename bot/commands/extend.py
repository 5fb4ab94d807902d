"""`kai extend`: keep an added policy longer, or for good, with one's own kubeconfig."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bot.approval.decision import words
from bot.approval.proposal import Proposal, ProposalLocation
from bot.change.changes import Changes
from bot.change.deciding import DecisionResult, Identify
from bot.change.expiry import STANDING, approved_end, end_now, ours_of
from bot.change.extending import Extending
from bot.change.extension import until
from bot.change.ports import CannotRead
from bot.clusters.options import said_live
from bot.commands.approve import decide
from bot.errors import CouldNotLook, UsageMistake


def extend(
    proposal: str,
    for_good: bool,
    yes: bool,
    database: str | None,
    config: Path | None,
    output: str = "text",
    **asked: Any,
) -> int:
    """Say when it ends, ask once more, then write the later end, or take it off."""

    async def act(changes: Changes, it: str, who: str, identify: Identify) -> DecisionResult:
        end = await _end(changes, it)
        if not yes and not await asyncio.to_thread(click.confirm, _question(end, for_good), err=True):
            raise click.Abort
        place = ProposalLocation()
        return await Extending(changes.deciding).keep(it, end, place, who, identify, for_good=for_good)

    return decide(proposal, "", True, database, config, said_live(asked), act, output)


async def _end(changes: Changes, proposal: str) -> datetime:
    """End of what it added, by the objects of now: what the person decides about."""
    it = await changes.store.proposals.get(proposal)
    approved = approved_end(it) if it is not None else None
    if it is None or approved is None:
        raise UsageMistake("this change adds no object that ends by itself: there is nothing to extend")
    if it.state not in STANDING:
        raise UsageMistake(f"there is nothing to keep: this change is {words(it.state)}")
    end = end_now(await _ours(changes, it), approved)
    if end is None:
        raise UsageMistake("it has no end: it stays until somebody removes it")
    return end


async def _ours(changes: Changes, it: Proposal) -> list[Any]:
    try:
        return [each for each in await ours_of(changes.expiry.patcher, it) if each is not None]
    except CannotRead as why:
        raise CouldNotLook(f"when it ends could not be read: {why}") from why


def _question(end: datetime, for_good: bool) -> str:
    then = "take its end off, so that it stays" if for_good else f"keep it to the end of {until(end)} UTC"
    return f"It ends at {end:%Y-%m-%d %H:%M} UTC: {then}, with your own rights?"
