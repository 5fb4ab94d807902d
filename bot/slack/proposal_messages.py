"""Messages about the state of a proposal, shown in the thread of its investigation and on the root message."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.approval.decision import standing
from bot.approval.proposal import Proposal, ProposalLocation, Purpose
from bot.approval.states import ProposalState
from bot.change.changes import Rulebook, newest
from bot.change.disputes import is_disputed
from bot.change.expiry import as_it_stands, said_at, said_of
from bot.change.repository import ForRepository
from bot.report.blocks import Said, section
from bot.slack import proposal_blocks, repository_blocks
from bot.slack.conversations import Conversations
from bot.slack.notes import Kept, RootState, ThreadReply
from bot.slack.renderer import render
from bot.slack.root import TAKEN_BACK, UNTOLD, root_of
from bot.store import Investigation
from bot.store.store import Store


class ProposalMessages:
    """The pipeline's `Show` in Slack. An edit can be made twice; what is posted is looked for first."""

    def __init__(self, store: Store, conversations: Conversations, team: str, rules: Rulebook) -> None:
        self._store, self._conversations, self.team, self._rules = store, conversations, team, rules

    async def show(self, proposal: Proposal) -> None:
        it = await self._store.investigations.get(proposal.investigation)
        if it is None or not it.request.channel:
            return  # forgotten, or asked in a terminal
        if proposal.purpose is Purpose.EXTENSION:
            await self.show_end(proposal.parent, proposal.place)
            return
        given = await self._store.proposals.approvals(proposal.id)
        disputed = await is_disputed(self._store, proposal.investigation)
        count = standing(proposal, given, self._rules(), disputed=disputed)
        alone = self._rules().strictest(proposal.namespaces).terminal_only
        said = proposal_blocks.proposal_message(proposal, count.given, count.needed, terminal_only=alone)
        card = ThreadReply(f"proposal.{proposal.id}", said)
        messages: list[Kept] = [card]
        if (root := await self._root(it, proposal)) is not None:
            messages.append(RootState(root))
        where = await self._conversations.say(it, [*messages, *await self._ends(proposal, it)])
        await self._stands(proposal, *where[0])
        await self._show_repeated(it, proposal)

    async def _show_repeated(self, it: Investigation, proposal: Proposal) -> None:
        """A change that is taken back after the verdict was looked at again is news for that root, too."""
        if proposal.state not in TAKEN_BACK:
            return
        last = await self._store.repeats.newest(it.id, datetime.now(UTC))
        later = await self._store.investigations.get(last) if last != it.id else None
        if later is not None and not later.is_live:
            await self._conversations.say(later, [RootState(await root_of(later, self._store))])

    async def checked(self, proposal: Proposal, line: str) -> None:
        """Posts the result of a check, in one reply of the thread that the next check edits."""
        it = await self._store.investigations.get(proposal.investigation)
        if it is not None and it.request.channel:
            await self._conversations.say(it, [ThreadReply(f"checked.{proposal.id}", Said(line, (section(line),)))])

    async def tell(self, it: Investigation, said: ForRepository) -> None:
        """Tells what to change where the objects come from, in the thread of the verdict."""
        if it.request.channel:
            await self._conversations.say(it, [ThreadReply("repository", repository_blocks.said(said, it.id))])

    async def show_end(self, change: str, place: ProposalLocation) -> None:
        """Edit the message that says until when a change stays: a proposal to keep it stands in that very message."""
        parent = await self._store.proposals.get(change)
        it = await self._store.investigations.get(parent.investigation) if parent is not None else None
        said = await said_at(parent, place, self._store) if parent is not None else None
        note = await as_it_stands(said, it, self._store) if said is not None and it is not None else None
        if note is not None and it is not None:
            await self._conversations.say(it, render(note))

    async def _ends(self, proposal: Proposal, it: Investigation) -> list[Kept]:
        """Edits what was said of its end, once it does not stand any more: without the buttons."""
        if proposal.state is not ProposalState.ROLLED_BACK:
            return []
        found = [await as_it_stands(each, it, self._store) for each in await said_of(proposal, self._store)]
        return [each for note in found if note is not None for each in render(note)]

    async def _stands(self, it: Proposal, channel: str, ts: str) -> None:
        if (it.place.channel, it.place.ts) != (channel, ts):
            await self._store.proposals.stand(it.id, ProposalLocation(self.team, channel, it.place.thread, ts))

    async def _root(self, it: Investigation, proposal: Proposal) -> Said | None:
        """The root message with the newest proposal's state; None where this one is not the newest."""
        latest = newest(await self._store.proposals.of(it.id))
        told = latest is not None and latest.id == proposal.id and proposal.state not in UNTOLD
        return await root_of(it, self._store) if told else None
