"""Answers what people type: commands behind `/kai` and `@kai`, and questions in the thread of a verdict."""

from __future__ import annotations

from bot.report.blocks import SlackBlock, section
from bot.report.mrkdwn import safe
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.investigating import Investigating
from bot.slack.lookup import StoreLookup
from bot.slack.namespace_drops import NamespaceLooks
from bot.triggers import slash
from bot.triggers.commands import Cancel, Command, Drops, Fill, Help, History, Investigate, ShowCommand, StatusCommand
from bot.triggers.followup import is_about_verdict
from bot.triggers.slash import TRIGGER
from bot.triggers.trigger import Nothing


class Dispatch:
    """Hands what people type to what answers it."""

    def __init__(
        self,
        investigating: Investigating,
        lookup: StoreLookup,
        conversations: Conversations,
        ephemerals: Ephemerals,
        looks: NamespaceLooks,
    ) -> None:
        self._looks = looks
        self._investigating, self._lookup = investigating, lookup
        self._conversations, self._ephemerals = conversations, ephemerals

    async def command(self, text: str, who: Asker) -> None:
        """`/kai …` and `@kai …`."""
        asked = TRIGGER.read({"text": text})
        if isinstance(asked, Nothing):
            why = asked.why if asked.why.endswith("?") else f"{asked.why}."
            return await self._ephemerals.tell(who, safe(why), *_usage())
        return await self._asked(asked, who)

    async def mention(self, text: str, who: Asker, *, in_thread: bool) -> None:
        """`@kai …`: a command, or in a thread of ours a question about the verdict."""
        it = await self._conversations.of_thread(who.channel, who.thread) if in_thread else None
        if it is None or (slash.is_command(text) and not is_about_verdict(text)):
            return await self.command(text, who)
        return await self._lookup.answer(text, it, who)

    async def overheard(self, text: str, who: Asker) -> None:
        """A known question in a thread of ours, asked without calling KAI by name."""
        it = await self._conversations.of_thread(who.channel, who.thread)
        if it is not None:
            await self._lookup.answer(text, it, who)

    async def _asked(self, asked: Command, who: Asker) -> None:
        match asked:
            case Investigate():
                await self._investigating.investigate(asked, who)
            case Drops():
                await self._looks.answer(asked, who)
            case Fill():
                await self._investigating.fill(asked, who)
            case Help():
                await self._ephemerals.tell(who, "Ask why a pod cannot talk.", *_usage())
            case StatusCommand():
                await self._lookup.status(who)
            case History():
                await self._lookup.history(who)
            case ShowCommand():
                await self._lookup.show(asked.id, who)
            case Cancel():
                await self._investigating.cancel(asked.id, who)


def _usage() -> tuple[SlackBlock, ...]:
    lines = "\n".join(f"`/kai {each}`" for each in slash.USAGE)
    also = (
        "`@kai …` takes the same words, in threads, too. In the thread of a verdict ask `@kai why?`, `is it DNS?`, "
        "`what did you not measure?`, `show fix`, `show evidence E3`, `how sure?`. On a message: Investigate with KAI."
    )
    return (section(lines), section(also))
