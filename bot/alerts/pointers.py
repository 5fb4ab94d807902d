"""Pointers below the other messages of a storm, to the one place where all of them are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bot.alerts.channel_state import MOST_POINTERS, Room
from bot.alerts.notices import AnswerPlace, MessageSign, NoticeSender, PointedAlert
from bot.alerts.plan import Received


class Pointers:
    """One for all channels. `anchor_s`: seconds in which the channel's message may still come."""

    def __init__(self, voice: NoticeSender, anchor_s: float) -> None:
        self._voice, self._anchor_s = voice, anchor_s

    async def say(
        self,
        room: Room,
        members: Iterable[Received],
        place: AnswerPlace,
        others: int,
        now: float,
        *,
        investigated: bool,
    ) -> None:
        """Point from each of their messages to `place`; those that have no message keep no other from its pointer."""
        chosen = unpointed(room, (each for each in members if AnswerPlace(each.channel, each.thread) != place))
        room.pointed |= {each.message: now for each in chosen}
        if chosen:
            url = await self._voice.link(place, chosen[0].channel)
            said = (
                self._point(room, each, PointedAlert(each.alert, investigated, others, url), place) for each in chosen
            )
            await asyncio.gather(*said)

    async def _point(self, room: Room, received: Received, notice: PointedAlert, place: AnswerPlace) -> None:
        channel, title = received.channel, received.alert.title
        thread = received.thread or await self._voice.anchor(channel, title, self._anchor_s)
        if not thread:
            room.pointed.pop(received.message, None)
        elif AnswerPlace(channel, thread) != place:
            await self._voice.tell(channel, thread, notice)
            self._voice.mark(channel, thread, MessageSign.POINTED)


def unpointed(room: Room, members: Iterable[Received]) -> list[Received]:
    """One for each message that has no pointer yet, as far as there is room."""
    by_message = {each.message: each for each in members}
    fresh = [each for message, each in by_message.items() if message not in room.pointed]
    return fresh[: max(0, MOST_POINTERS - len(room.pointed))]
