"""Questions about a verdict, wherever they are asked: in its thread, in the channel, in a direct message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import TypeAlias

from bot.answers.answer import answer, cannot
from bot.answers.grammar import parse
from bot.answers.question import Question, Topic
from bot.report import blocks
from bot.report.blocks import SHORT_ID, Said, mrkdwn, section
from bot.report.mrkdwn import safe
from bot.report.short_answer import subject
from bot.slack import form
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.investigating import Investigating
from bot.slack.knowing import Knowing
from bot.slack.lookup import StoreLookup
from bot.slack.names import PodSuggestions
from bot.slack.outbox import Unwelcome
from bot.slack.pointing import pointed_at
from bot.store import Investigation
from bot.triggers.commands import Fill, Investigate
from flows.agent.reply import NoAnswer
from flows.model import Diagnosis

Converse: TypeAlias = Callable[[Diagnosis, str, str, str], Awaitable[tuple[str, ...]]]
"""Answers a question about a diagnosis: its investigation, the question, the person. Raises `NoAnswer`."""

NOTHING_YET = "Nothing has been investigated here yet, so there is nothing to ask about. Which pod cannot talk?"
WHICH = "I did not understand that. Which pod cannot talk? Write `netdebug POD NAMESPACE`, or fill in the form."


class Questions:
    """One for each process. `converse` answers what the rules do not, where Claude is asked at all."""

    def __init__(
        self,
        lookup: StoreLookup,
        knowing: Knowing,
        investigating: Investigating,
        conversations: Conversations,
        ephemerals: Ephemerals,
        names: Callable[[str], PodSuggestions],
    ) -> None:
        self._lookup, self._knowing, self._investigating = lookup, knowing, investigating
        self._conversations, self._ephemerals, self._names = conversations, ephemerals, names
        self.converse: Converse | None = None

    async def in_thread(self, text: str, it: Investigation, who: Asker) -> None:
        """In a thread that is about an investigation."""
        await self._answer(text, parse(text), it, who)

    async def elsewhere(self, text: str, who: Asker) -> None:
        """In a channel or a direct message: about the newest investigation there, or about a pod that it names."""
        question = parse(text)
        asked = await pointed_at({"text": text}, self._names(who.channel))
        if isinstance(asked, Investigate):
            return await self._investigating.investigate(asked, who)
        if question.topic is Topic.UNKNOWN:
            return await self._ephemerals.tell(who, WHICH, form.opener(Fill(asked.pod, asked.namespace, asked.to)))
        it = await self._lookup.newest(who)
        if it is None:
            return await self._ephemerals.tell(who, NOTHING_YET, form.opener(Fill()))
        if who.thread:
            await self._conversations.belongs(who.channel, who.thread, it)
        return await self._answer(text, question, it, who, heading=_about(it))

    async def privately(self, text: str, who: Asker) -> bool:
        """Behind a slash command, for the asker alone. False where it is no question that is known."""
        question = parse(text)
        it = await self._lookup.newest(who) if question.topic not in (Topic.UNKNOWN, Topic.THANKS) else None
        diagnosis = await self._lookup.diagnosis(it.id) if it is not None else None
        if it is None or diagnosis is None:
            return False
        if question.topic is Topic.AGAIN:
            await self._investigating.repeat(it.id, who)
            return True
        said = answer(question, await self._knowing.of(it, diagnosis, who.user, question.topic))
        await self._ephemerals.say(who, _headed(said, _about(it)))
        return True

    async def _answer(self, text: str, question: Question, it: Investigation, who: Asker, heading: str = "") -> None:
        if question.topic is Topic.THANKS:
            return None
        if question.topic is Topic.AGAIN:
            return await self._investigating.repeat(it.id, who)
        diagnosis = await self._lookup.diagnosis(it.id)
        if diagnosis is None:
            what = "no verdict about this yet" if it.is_live else "no verdict about this"
            return await self._ephemerals.tell(who, f"There is {what}: {blocks.reason(it.why or it.state)}.")
        if question.topic is not Topic.UNKNOWN:
            said = answer(question, await self._knowing.of(it, diagnosis, who.user, question.topic))
        elif self.converse is not None:
            said = await self._conversed(self.converse, it, diagnosis, text, who)
        else:
            return await self._ephemerals.say(who, cannot(text))
        shown = _headed(said, heading)
        try:
            return await self._conversations.answer(it, shown, who.channel, who.thread)
        except Unwelcome:
            return await self._ephemerals.say(who, shown)

    async def _conversed(
        self, converse: Converse, it: Investigation, diagnosis: Diagnosis, text: str, who: Asker
    ) -> Said:
        """Claude's answer, or why there is none and what can be asked instead."""
        try:
            lines = await converse(diagnosis, it.id, text, who.user)
        except NoAnswer as why:
            lines = (str(why), cannot(text).text)
        washed = [safe(line) for line in lines]
        return Said(washed[0], (section("\n".join(washed)),)) if washed else cannot(text)


def _about(it: Investigation) -> str:
    """Which investigation an answer is about, where no thread says so."""
    at = (it.ended_at or it.asked_at).astimezone(UTC)
    return f"About {safe(subject(it.request.target), 300)} · {at:%H:%M} UTC · id {it.id[:SHORT_ID]}"


def _headed(said: Said, heading: str) -> Said:
    if not heading:
        return said
    head = {"type": "context", "elements": [mrkdwn(heading)]}
    return Said(f"{heading}: {said.text}", (head, *said.blocks))
