"""Where a proposal stands, shown in the thread of its investigation and on the root message."""

from __future__ import annotations

from bot.approval.decision import standing
from bot.approval.proposal import Place, Proposal
from bot.approval.states import State
from bot.change.changes import Rulebook, newest
from bot.change.disputes import is_disputed
from bot.report.blocks import Said, verdict
from bot.report.json_result import CannotDecode, decode
from bot.slack import proposal_blocks
from bot.slack.conversations import Conversations
from bot.slack.notes import Kept, Reply, RootState
from bot.slack.renderers.ended import person_of
from bot.slack.visibility import Visibility
from bot.store import Investigation
from bot.store.store import Store

UNTOLD_ON_ROOT = (State.PROPOSED, State.SUPERSEDED)
"""States of which the root message says nothing: the card in its thread asks."""


class Cards:
    """The pipeline's `Show` in Slack. An edit can be made twice; what is posted is looked for first."""

    def __init__(
        self, store: Store, conversations: Conversations, visibility: Visibility, team: str, rules: Rulebook
    ) -> None:
        self._store, self._conversations, self._visibility = store, conversations, visibility
        self._team, self._rules = team, rules

    async def show(self, proposal: Proposal) -> None:
        it = await self._store.investigations.get(proposal.investigation)
        if it is None or not it.request.channel:
            return  # forgotten, or asked in a terminal
        given = await self._store.proposals.approvals(proposal.id)
        disputed = await is_disputed(self._store, proposal.investigation)
        count = standing(proposal, given, self._rules(), disputed=disputed)
        card = Reply(f"proposal.{proposal.id}", proposal_blocks.card(proposal, count.given, count.needed))
        messages: list[Kept] = [card]
        if (root := await self._root(it, proposal)) is not None:
            messages.append(RootState(root))
        where = await self._conversations.say(it, messages)
        await self._stands(proposal, *where[0])

    async def _stands(self, it: Proposal, channel: str, ts: str) -> None:
        if (it.place.channel, it.place.ts) != (channel, ts):
            private = await self._visibility.is_private(channel)
            await self._store.proposals.stand(it.id, Place(self._team, channel, it.place.thread, ts, private))

    async def _root(self, it: Investigation, proposal: Proposal) -> Said | None:
        """The verdict with the newest proposal's state on top; None where it says nothing of it."""
        latest = newest(await self._store.proposals.of(it.id))
        kept = await self._store.investigations.verdict(it.id)
        if latest is None or latest.id != proposal.id or kept is None or proposal.state in UNTOLD_ON_ROOT:
            return None
        try:
            said = verdict(decode(kept.result), person_of(it))
        except CannotDecode:
            return None
        return proposal_blocks.on_root(said, proposal)
