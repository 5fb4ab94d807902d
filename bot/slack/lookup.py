"""Shows what is remembered to a person: lists, verdicts and parts of them; keeps what they think of a verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from bot.alerts.skipped import latest_skipped
from bot.report.blocks import Said, section
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.slack import lists, opinions
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.modals import ModalOpener
from bot.slack.notes import RootState
from bot.slack.outbox import Unwelcome
from bot.slack.root import root_of
from bot.slack.visibility import Visibility
from bot.store import Feedback, Investigation, Opinion, StoredVerdict
from bot.store.store import Store
from flows.model import Diagnosis

log = logging.getLogger(__name__)

LOOKED_THROUGH = 50
"""Of the newest investigations so many are looked through for those that a person may see."""

FORGOTTEN = "That investigation is not remembered any more."


class StoreLookup:
    """Reads the store, and starts nothing."""

    def __init__(
        self,
        store: Store,
        conversations: Conversations,
        ephemerals: Ephemerals,
        modals: ModalOpener,
        visibility: Visibility,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._visibility = visibility
        self._store, self._conversations, self._ephemerals = store, conversations, ephemerals
        self._modals, self._now = modals, now

    # -- lists --------------------------------------------------------------------------------------------------------

    async def status(self, who: Asker) -> None:
        """Posts the running investigations, and what alerts of this channel were skipped without a message."""
        skipped = await latest_skipped(self._store.seen, who.channel, self._now())
        await self._ephemerals.say(who, lists.status(await self._live(who.user), skipped))

    async def history(self, who: Asker) -> None:
        """The latest investigations."""
        await self._ephemerals.say(who, lists.history(await self.latest(who.user)))

    async def latest(self, user: str) -> list[tuple[Investigation, StoredVerdict | None]]:
        """The newest that this person may see; a list shows the first of them, the home tab groups them."""
        rows = await self._store.investigations.recent(LOOKED_THROUGH)
        return await self._visibility.seen_by(user, rows, lambda row: row[0])

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
        if it is not None:
            await self._modals.show("Verdict", await self._verdict(it), who)

    async def about(self, investigation: str, who: Asker, title: str, part: Callable[[Diagnosis], Said]) -> None:
        """A part of a verdict, in a window over the place where it was asked for."""
        it = await self._store.investigations.get(investigation)
        seen = it is not None and await self._visibility.may_see(it, who.user)
        diagnosis = await self.diagnosis(investigation) if seen else None
        if diagnosis is None:
            return await self._ephemerals.tell(who, "That verdict is not remembered any more.")
        return await self._modals.show(title, part(diagnosis), who)

    async def opinion(self, investigation: str, opinion: Opinion, who: Asker) -> None:
        """Keeps a person's opinion of a verdict; the same press again takes it back."""
        it = await self._store.investigations.get(investigation)
        if it is None or it.is_live or not await self._visibility.may_see(it, who.user):
            return await self._ephemerals.tell(who, "There is no verdict to have an opinion about.")
        held = next((each for each in await self._store.opinions.of(it.id) if each.by == who.user), None)
        if held is not None and held.opinion is opinion:
            await self._store.opinions.take_back(it.id, who.user)
        else:
            await self._store.opinions.keep(Feedback(it.id, who.user, opinion, "", self._now()))
            if opinion is Opinion.WRONG:
                await self._modals.opens(opinions.wrong_view(it.id), who)
        return await self._show_opinions(it, who)

    async def _show_opinions(self, it: Investigation, who: Asker) -> None:
        said = await root_of(it, self._store)
        try:
            await self._conversations.say(it, [RootState(said)])
        except Unwelcome:
            await self._ephemerals.tell(who, "Your opinion is kept with the verdict.")

    async def was_wrong(self, investigation: str, words: str, who: Asker) -> None:
        """Keeps a person's words about what was wrong."""
        it = await self._store.investigations.get(investigation)
        if it is not None and words and await self._visibility.may_see(it, who.user):
            await self._store.opinions.keep(Feedback(it.id, who.user, Opinion.WRONG, words, self._now()))

    async def newest(self, who: Asker) -> Investigation | None:
        """The newest verdict of this channel; in direct messages, of what this person asked for."""
        direct = who.channel.startswith("D") or not who.channel
        rows = [it for it, verdict in await self._store.investigations.recent(LOOKED_THROUGH) if verdict is not None]
        here = [it for it in rows if it.request.channel == who.channel or (direct and it.request.asked_by == who.user)]
        seen = await self._visibility.seen_by(who.user, here, lambda it: it)
        return seen[0] if seen else None

    async def _verdict(self, it: Investigation) -> Said:
        return await root_of(it, self._store)

    async def diagnosis(self, investigation: str) -> Diagnosis | None:
        """The diagnosis of a verdict; None where there is none that can be read."""
        verdict = await self._store.investigations.verdict(investigation)
        if verdict is None:
            return None
        try:
            return decode(verdict.result)
        except CannotDecode as why:
            log.warning("%s", why)
            return None
