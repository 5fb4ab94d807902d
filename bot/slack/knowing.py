"""Gathers what is stored besides a diagnosis, as far as the asker may see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

from bot.answers.approvers import approvers_of
from bot.answers.known import Alike, AnswerFacts
from bot.answers.question import Topic
from bot.approval.proposal import Proposal
from bot.approval.rules import Approvals
from bot.change.changes import newest
from bot.slack.proposal_blocks import state_line
from bot.slack.visibility import Visibility
from bot.store import Investigation
from bot.store.store import Store
from flows.model import Diagnosis

LOOKED_THROUGH = 50
RECENT = timedelta(hours=24)
"""An older investigation says nothing about who is affected now."""


class Knowing:
    """One for each process."""

    def __init__(self, store: Store, visibility: Visibility, approvals: Callable[[], Approvals]) -> None:
        self._store, self._visibility, self._approvals = store, visibility, approvals

    async def of(self, it: Investigation, diagnosis: Diagnosis, user: str, topic: Topic) -> AnswerFacts:
        """All that an answer of this topic rests on; only one asks for others, whose channels Slack has to tell."""
        proposal = newest(await self._store.proposals.of(it.id))
        return AnswerFacts(
            diagnosis,
            it.ended_at or it.asked_at,
            await self._alike(it, diagnosis, user) if topic is Topic.AFFECTED else (),
            "" if proposal is None else state_line(proposal),
            approvers_of(self._approvals(), _namespaces(it, proposal)),
        )

    async def _alike(self, it: Investigation, diagnosis: Diagnosis, user: str) -> tuple[Alike, ...]:
        """Other targets with the same cause in the same object, each once, newest first."""
        component = "" if diagnosis.component is None else str(diagnosis.component)
        rows = await self._store.investigations.recent(LOOKED_THROUGH)
        same = [
            other
            for other, verdict in rows
            if verdict is not None
            and (verdict.cause_class, verdict.component) == (diagnosis.cause_class, component)
            and other.request.target != it.request.target
            and (it.asked_at - other.asked_at) < RECENT
        ]
        seen = await self._visibility.seen_by(user, same, lambda row: row)
        found = {_words(each): Alike(_words(each), each.asked_at.astimezone(UTC)) for each in reversed(seen)}
        return tuple(reversed(found.values()))


def _words(it: Investigation) -> str:
    target = it.request.target
    return f"{target} → {target.to}" if target.to else str(target)


def _namespaces(it: Investigation, proposal: Proposal | None) -> tuple[str, ...]:
    return tuple(proposal.namespaces) if proposal is not None else (it.request.target.namespace,)
