"""Answers what people type: commands behind `/kai` and `@kai`, and questions about a verdict."""

from __future__ import annotations

from bot.answers.grammar import is_about_verdict, parse
from bot.answers.question import Topic
from bot.report.blocks import SlackBlock, section
from bot.report.mrkdwn import safe
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.investigating import Investigating
from bot.slack.lookup import StoreLookup
from bot.slack.namespace_drops import NamespaceLooks
from bot.slack.questions import Questions
from bot.triggers import slash
from bot.triggers.commands import Cancel, Command, Drops, Fill, Help, History, Investigate, ShowCommand, StatusCommand
from bot.triggers.slack_text import typed
from bot.triggers.slash import TRIGGER
from bot.triggers.trigger import Nothing


class Dispatch:
    """Hands what people type to what answers it."""

    def __init__(
        self,
        investigating: Investigating,
        lookup: StoreLookup,
        questions: Questions,
        conversations: Conversations,
        ephemerals: Ephemerals,
        looks: NamespaceLooks,
    ) -> None:
        self._looks = looks
        self._investigating, self._lookup, self._questions = investigating, lookup, questions
        self._conversations, self._ephemerals = conversations, ephemerals

    async def command(self, text: str, who: Asker) -> None:
        """`/kai …`: a command, or a question that is answered to the asker alone."""
        if not _is_command(text) and await self._questions.privately(text, who):
            return
        await self._command(text, who)

    async def _command(self, text: str, who: Asker) -> None:
        asked = TRIGGER.read({"text": text})
        if isinstance(asked, Nothing):
            why = asked.why if asked.why.endswith("?") else f"{asked.why}."
            return await self._ephemerals.tell(who, f"{safe(why)} `/kai help` lists what can be asked.")
        return await self._asked(asked, who)

    async def mention(self, text: str, who: Asker, *, in_thread: bool) -> None:
        """`@kai …`, or a direct message: a command, or a question about a verdict."""
        if _is_command(text):
            return await self._command(text, who)
        it = await self._conversations.of_thread(who.channel, who.thread) if in_thread else None
        if it is not None:
            return await self._questions.in_thread(text, it, who)
        return await self._questions.elsewhere(text, who)

    async def overheard(self, text: str, who: Asker) -> None:
        """A known question in a thread of ours, asked without calling KAI by name."""
        it = await self._conversations.of_thread(who.channel, who.thread)
        if it is not None:
            await self._questions.in_thread(text, it, who)

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


def _is_command(text: str) -> bool:
    """Does it begin with a verb, or a verb with a typing error, or is it empty? `show fix` asks about a verdict."""
    if is_about_verdict(text):
        return False
    known = parse(text).topic is not Topic.UNKNOWN
    return slash.is_command(text) or not typed(text) or (not known and slash.is_nearly_command(text))


def _usage() -> tuple[SlackBlock, ...]:
    lines = "\n".join(f"`/kai {each}`" for each in slash.USAGE)
    also = (
        "`@kai …` takes the same words, in threads, too. About a verdict ask `why?`, `why not DNS?`, `what changed?`, "
        "`who else is affected?`, `show fix`, `is it safe?`, `run again`. On a message: Investigate with KAI."
    )
    return (section(lines), section(also))
