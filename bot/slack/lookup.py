"""Shows what is remembered to a person: lists, verdicts, proofs, and answers to questions about a verdict."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

from slack_sdk.web.async_client import AsyncWebClient

from bot.report import blocks
from bot.report.blocks import Said, older, plain_text, section
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.slack import answers, lists
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.outbox import Unwelcome
from bot.slack.visibility import Visibility
from bot.store import Feedback, Investigation, Opinion, StoredVerdict
from bot.store.store import Store
from bot.triggers.followup import Topic, parse
from flows.agent.reply import NoAnswer
from flows.model import Diagnosis

log = logging.getLogger(__name__)

LOOKED_THROUGH = 50
"""Of the newest investigations so many are looked through for those that a person may see."""

FORGOTTEN = "That investigation is not remembered any more."


Converse: TypeAlias = Callable[[Diagnosis, str, str, str], Awaitable[tuple[str, ...]]]
"""Answers a question about a diagnosis: its investigation, the question, the person. Raises `NoAnswer`."""


class StoreLookup:
    """Reads the store, and starts nothing."""

    def __init__(
        self,
        store: Store,
        conversations: Conversations,
        ephemerals: Ephemerals,
        client: AsyncWebClient,
        visibility: Visibility,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._visibility = visibility
        self._store, self._conversations, self._ephemerals = store, conversations, ephemerals
        self._client, self._now = client, now
        self.converse: Converse | None = None

    # -- lists --------------------------------------------------------------------------------------------------------

    async def status(self, who: Asker) -> None:
        """Posts the running investigations."""
        await self._ephemerals.say(who, lists.status(await self._live(who.user)))

    async def history(self, who: Asker) -> None:
        """The latest investigations."""
        await self._ephemerals.say(who, lists.history(await self.latest(who.user)))

    async def latest(self, user: str) -> list[tuple[Investigation, StoredVerdict | None]]:
        """The newest that this person may see."""
        rows = await self._store.investigations.recent(LOOKED_THROUGH)
        return (await self._visibility.seen_by(user, rows, lambda row: row[0]))[: lists.MAX_ROWS]

    async def say_which(self, who: Asker) -> None:
        """Posts which investigations can be cancelled."""
        live = lists.status(await self._live(who.user))
        said = Said("Say which: cancel ID", (section("Say which: `cancel ID`."), *live.blocks))
        await self._ephemerals.say(who, said)

    async def _live(self, user: str) -> list[tuple[Investigation, int]]:
        every = await self._store.investigations.live()
        live = await self._visibility.seen_by(user, every, lambda it: it)
        return [(it, await self._store.investigations.answered(it.id)) for it in live[: lists.MAX_ROWS]]

    # -- one of them --------------------------------------------------------------------------------------------------

    async def may_see(self, it: Investigation, who: Asker) -> bool:
        """Checks whether this person may know where it is talked about."""
        return await self._visibility.may_see(it, who.user)

    async def remembered(self, investigation: str, who: Asker) -> Investigation | None:
        """An investigation by its whole id; who may not see it is told the same as when it is forgotten."""
        it = await self._store.investigations.get(investigation)
        if it is not None and await self._visibility.may_see(it, who.user):
            return it
        await self._ephemerals.tell(who, FORGOTTEN)
        return None

    async def meant(self, word: str, who: Asker) -> Investigation | None:
        """An investigation by its id, one's own also by its beginning; who asks is told when it is none, or several."""
        found = await self._store.investigations.starting_with(word)
        visible = await self._visibility.seen_by(who.user, found, lambda it: it)
        own = [each for each in visible if each.request.asked_by == who.user]
        exact = [each for each in visible if each.id == word] or own
        if len(exact) == 1:
            return exact[0]
        several = f"{safe(word)} may be {', '.join(each.id for each in exact)}: say more of it."
        none = f"No investigation {safe(word)} is remembered (history lists them)."
        await self._ephemerals.tell(who, several if exact else none)
        return None

    async def show(self, word: str, who: Asker) -> None:
        """A verdict once more, for one person."""
        it = await self.meant(word, who)
        if it is None:
            return
        if it.is_live:
            said = lists.status([(it, await self._store.investigations.answered(it.id))])
        else:
            said = await self._verdict(it)
        await self._ephemerals.say(who, said)

    async def show_in_view(self, investigation: str, who: Asker) -> None:
        """The same from the home tab, as a modal."""
        it = await self.remembered(investigation, who)
        if it is None:
            return
        said = older(await self._verdict(it))
        shown = [each for each in said.blocks if each["type"] != "actions"]
        view = {"type": "modal", "title": plain_text("Verdict"), "close": plain_text("Close"), "blocks": shown}
        await self._client.views_open(trigger_id=who.trigger, view=view)

    async def about(self, investigation: str, who: Asker, part: Callable[[Diagnosis], Said]) -> None:
        """A part of a verdict, for one person."""
        it = await self._store.investigations.get(investigation)
        seen = it is not None and await self._visibility.may_see(it, who.user)
        diagnosis = await self._diagnosis(investigation) if seen else None
        if diagnosis is None:
            return await self._ephemerals.tell(who, "That verdict is not remembered any more.")
        return await self._ephemerals.say(who, part(diagnosis))

    async def opinion(self, investigation: str, opinion: Opinion, who: Asker) -> None:
        """Keeps a person's opinion of a verdict; the last one counts."""
        it = await self._store.investigations.get(investigation)
        if it is None or it.is_live or not await self._visibility.may_see(it, who.user):
            return await self._ephemerals.tell(who, "There is no verdict to have an opinion about.")
        await self._store.opinions.keep(Feedback(it.id, who.user, opinion, "", self._now()))
        thanks = "Thank you: it is kept with the verdict, and nothing else is sent anywhere."
        return await self._ephemerals.tell(who, thanks)

    async def answer(self, text: str, it: Investigation, who: Asker) -> None:
        """A question about a verdict, in its thread."""
        question = parse(text)
        diagnosis = await self._diagnosis(it.id)
        if diagnosis is None:
            what = "no verdict about this yet" if it.is_live else "no verdict about this"
            return await self._ephemerals.tell(who, f"There is {what}: {blocks.reason(it.why or it.state)}.")
        said = answers.answer(question, diagnosis)
        if question.topic is Topic.UNKNOWN and self.converse is None:
            return await self._ephemerals.say(who, said)
        if question.topic is Topic.UNKNOWN:
            said = await self._conversed(it, diagnosis, text, who) or said
        try:
            return await self._conversations.answer(it, said, who.channel, who.thread)
        except Unwelcome:
            return await self._ephemerals.say(who, said)

    async def _conversed(self, it: Investigation, diagnosis: Diagnosis, text: str, who: Asker) -> Said | None:
        """Claude's answer, or why there is none and what can be asked instead."""
        if self.converse is None:
            return None
        try:
            lines = await self.converse(diagnosis, it.id, text, who.user)
        except NoAnswer as why:
            lines = (str(why), answers.I_CAN_ONLY)
        washed = [safe(line) for line in lines]
        return Said(washed[0], (section("\n".join(washed)),))

    async def _verdict(self, it: Investigation) -> Said:
        verdict = await self._store.investigations.verdict(it.id)
        if verdict is None:
            return blocks.ended(it.request.target, it.state.value, it.why, it.id, cluster=it.request.cluster)
        try:
            return blocks.verdict(decode(verdict.result), cluster=it.request.cluster)
        except CannotDecode as why:
            return Said(safe(why))

    async def _diagnosis(self, investigation: str) -> Diagnosis | None:
        verdict = await self._store.investigations.verdict(investigation)
        if verdict is None:
            return None
        try:
            return decode(verdict.result)
        except CannotDecode as why:
            log.warning("%s", why)
            return None
