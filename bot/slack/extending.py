"""Buttons of the message that says when a change ends: each press is examined as a press on the proposal itself is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.approval.person import click_of
from bot.approval.proposal import ProposalLocation
from bot.change.changes import Changes
from bot.change.deciding import NO_SUCH, DecisionResult, Identify
from bot.change.expiry import end_said, said_at
from bot.change.extending import Extending
from bot.slack.approving import Approving
from bot.slack.button import Press

ShowEnd = Callable[[str, ProposalLocation], Awaitable[None]]
"""Edits the message about the end of a change, which stands at a place."""

ExtensionAction = Callable[[datetime, ProposalLocation, Identify], Awaitable[DecisionResult]]


class ExtendPresses:
    """One for each process. The end that the person has seen is that of the very message that was pressed."""

    def __init__(self, changes: Changes, approving: Approving, show_end: ShowEnd) -> None:
        self._changes, self._approving, self._show_end = changes, approving, show_end
        self._extending = Extending(changes.deciding)

    async def extend(self, press: Press) -> None:
        await self._keep(press, for_good=False)

    async def keep(self, press: Press) -> None:
        await self._keep(press, for_good=True)

    async def _keep(self, press: Press, *, for_good: bool) -> None:
        async def act(end: datetime, place: ProposalLocation, identify: Identify) -> DecisionResult:
            return await self._extending.keep(press.value, end, place, press.who.user, identify, for_good=for_good)

        await self._on_its_message(press, act)

    async def let_go(self, press: Press) -> None:
        async def act(end: datetime, place: ProposalLocation, identify: Identify) -> DecisionResult:
            said = await self._extending.let_go(press.value, end, press.who.user, identify)
            await self._show_end(press.value, place)
            return said

        await self._on_its_message(press, act)

    async def _on_its_message(self, press: Press, act: ExtensionAction) -> None:
        """The message in which the button stands, by our own store: a value copied into another one does nothing."""
        click = click_of(press.body)
        it = await self._approving.stored(press.value)
        at = (
            ProposalLocation(it.place.team, click.channel, it.place.thread, click.ts)
            if it is not None
            else ProposalLocation()
        )
        message = await said_at(it, at, self._changes.store) if it is not None else None
        if message is None:
            await self._approving.refuse(press, NO_SUCH)
            return
        said = await act(end_said(message.role), at, self._approving.identify(click, at))
        await self._approving.answer(press.who, said)
