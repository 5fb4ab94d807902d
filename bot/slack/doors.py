"""What people may ask, whichever way they come in: the work behind every listener, however it was sent.

Each method gets an `Asker` and returns when the answer is on its way. Everything that starts something carries the
asker's key to the desk, so that what is delivered twice is looked into once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clusters.target import NoSuchPod
from bot.desk import Refused
from bot.report import blocks
from bot.report.blocks import Block, Said, older, plain_text, section
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.slack import answers, form, lists
from bot.slack.api_error import error_of
from bot.slack.ephemeral import Asker, Whisper
from bot.slack.outbox import LATER, Outbox, Stopped, Unwelcome
from bot.slack.threads import Card, Threads
from bot.store import Door, Feedback, Investigation, Opinion, Request
from bot.store.store import Store
from bot.triggers import slash
from bot.triggers.commands import Cancel, Command, Fill, Help, History, Investigate, Misread, Show, Status
from bot.triggers.followup import Topic, is_about_verdict, parse
from flows.model import Diagnosis
from sensors.kit import Target

log = logging.getLogger(__name__)

INVITE = "KAI is not in this channel, so the answer comes to you directly. To have it here: `/invite @kai`."

LATE = (
    "It is being looked into (id {id}), but Slack did not take my message just now: the answer comes as soon as it "
    "does. No need to ask again."
)


class Started(Protocol):
    """What a desk says of a request that it took on."""

    @property
    def id(self) -> str: ...
    @property
    def joined(self) -> bool: ...


class Desk(Protocol):
    """As much of the desk as people can reach."""

    async def start(self, request: Request, once: str = "") -> Started: ...
    async def cancel(self, investigation: str, why: str = "cancelled") -> bool: ...


class Doors:
    """`find` names the pod that is meant (`NoSuchPod`); `flow_of` the flow with its window in seconds."""

    def __init__(
        self,
        desk: Desk,
        store: Store,
        threads: Threads,
        outbox: Outbox,
        client: AsyncWebClient,
        find: Callable[[Target], Awaitable[Target]],
        flow_of: Callable[[int | None], str],
        cluster: str = "default",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._desk, self._store, self._threads, self._outbox = desk, store, threads, outbox
        self._client, self._whisper = client, Whisper(client)
        self._find, self._flow_of, self._cluster, self._now = find, flow_of, cluster, now

    # -- words --------------------------------------------------------------------------------------------------------

    async def command(self, text: str, who: Asker) -> None:
        """`/kai …` and `@kai …`."""
        try:
            asked = slash.parse(text)
        except Misread as why:
            return await self.tell(who, safe(why if str(why).endswith("?") else f"{why}."), *_usage())
        return await self.asked(asked, who)

    async def mention(self, text: str, who: Asker, *, in_thread: bool) -> None:
        """`@kai …`: a command, or in a thread of ours a question about the verdict."""
        it = await self._threads.of_thread(who.channel, who.thread) if in_thread else None
        if it is None or (slash.is_command(text) and not is_about_verdict(text)):
            return await self.command(text, who)
        return await self._answer(text, it, who)

    async def overheard(self, text: str, who: Asker) -> None:
        """A known question in a thread of ours, asked without calling KAI by name."""
        it = await self._threads.of_thread(who.channel, who.thread)
        if it is not None:
            await self._answer(text, it, who)

    async def _answer(self, text: str, it: Investigation, who: Asker) -> None:
        question = parse(text)
        diagnosis = await self._diagnosis(it.id)
        if diagnosis is None:
            what = "no verdict about this yet" if it.is_live else "no verdict about this"
            return await self.tell(who, f"There is {what}: {blocks.reason(it.why or it.state)}.")
        said = answers.answer(question, diagnosis)
        if question.topic is Topic.UNKNOWN:
            return await self._whisper.say(who, said)
        await self._outbox.post(who.channel, said, who.thread, lane=LATER)
        return None

    async def asked(self, asked: Command, who: Asker) -> None:
        """One command."""
        match asked:
            case Investigate():
                await self.investigate(asked, who)
            case Fill():
                await self.fill(asked, who)
            case Help():
                await self.tell(who, "Ask why a pod cannot talk.", *_usage())
            case Status():
                await self._whisper.say(who, lists.status(await self._live()))
            case History():
                await self._whisper.say(who, lists.history(await self._store.investigations.recent(lists.MOST)))
            case Show():
                await self.show(asked.id, who)
            case Cancel():
                await self.cancel(asked.id, who)

    # -- investigations -----------------------------------------------------------------------------------------------

    async def investigate(self, asked: Investigate, who: Asker) -> None:
        """Find the pod, take it to the desk, open its thread; or say why not."""
        try:
            target = await self._find(Target(asked.pod, asked.namespace, asked.to_host, asked.to_port))
        except NoSuchPod as why:
            return await self.fill(_again(asked, str(why)), who)
        return await self._start(target, self._flow_of(asked.since), who)

    async def rerun(self, investigation: str, who: Asker) -> None:
        """The same question once more."""
        it = await self._store.investigations.get(investigation)
        if it is None:
            return await self.tell(who, "That investigation is not remembered any more.")
        thread = it.request.thread if it.request.channel == who.channel else ""
        return await self._start(it.request.target, it.request.flow, replace(who, thread=thread))

    async def _start(self, target: Target, flow: str, who: Asker) -> None:
        channel = who.channel or who.user
        try:
            request = Request(target, flow, who.door, who.user, self._cluster, channel, who.thread)
            started = await self._desk.start(request, once=who.key)
        except (Refused, ValueError) as why:
            return await self.tell(who, safe(why))
        it = await self._store.investigations.get(started.id)
        if it is None:
            return await self.tell(who, "It was forgotten as soon as it began: ask again.")
        return await self._opened(it, who, joined=started.joined)

    async def _opened(self, it: Investigation, who: Asker, *, joined: bool) -> None:
        try:
            card = await self._threads.open(it)
        except Unwelcome as why:
            log.warning("the root message of %s can stand nowhere: %s", it.id, why)
            return await self.tell(who, f"I cannot write here ({safe(why.error)}). Invite me with `/invite @kai`.")
        except (SlackApiError, ClientError, TimeoutError, OSError, Stopped) as why:
            log.warning("the root message of %s is not there yet: %s", it.id, why)
            return await self.tell(who, LATE.format(id=it.id))
        if joined:
            return await self.tell(who, f"This is being looked into already (id {it.id}): {await self._link(card)}")
        if card.direct:
            await self.tell(who, INVITE)
        return None

    async def _link(self, card: Card) -> str:
        """A link of Slack's own making."""
        try:
            answer = await self._client.chat_getPermalink(channel=card.channel, message_ts=card.ts)
        except SlackApiError:
            return f"in <#{card.channel}>"
        return f"<{answer['permalink']}|its thread>"

    async def show(self, word: str, who: Asker) -> None:
        """A verdict once more, for one person."""
        it = await self._meant(word, who)
        if it is None:
            return
        if it.is_live:
            said = lists.status([(it, await self._store.investigations.answered(it.id))])
        else:
            said = await self._verdict(it)
        await self._whisper.say(who, said)

    async def show_in_view(self, investigation: str, who: Asker) -> None:
        """The same from the home tab, as a modal."""
        it = await self._store.investigations.get(investigation)
        if it is None:
            return await self.tell(who, "That investigation is not remembered any more.")
        said = older(await self._verdict(it))
        shown = [each for each in said.blocks if each["type"] != "actions"]
        view = {"type": "modal", "title": plain_text("Verdict"), "close": plain_text("Close"), "blocks": shown}
        await self._client.views_open(trigger_id=who.trigger, view=view)
        return None

    async def cancel(self, word: str, who: Asker) -> None:
        """End what is under way: by its id, or the one of this thread."""
        it = await self._meant(word, who) if word else await self._threads.of_thread(who.channel, who.thread)
        if it is None:
            return None if word else await self._say_which(who)
        if not await self._desk.cancel(it.id, f"cancelled by {who.user}"):
            return await self.tell(who, f"There is nothing to cancel: {safe(it.id)} is over.")
        return None

    async def _say_which(self, who: Asker) -> None:
        live = lists.status(await self._live())
        await self._whisper.say(who, Said("Say which: cancel ID", (section("Say which: `cancel ID`."), *live.blocks)))

    async def _live(self) -> list[tuple[Investigation, int]]:
        live = await self._store.investigations.live()
        return [(it, await self._store.investigations.answered(it.id)) for it in live[: lists.MOST]]

    async def _meant(self, word: str, who: Asker) -> Investigation | None:
        found = await self._store.investigations.starting_with(word)
        exact = [each for each in found if each.id == word] or list(found)
        if len(exact) == 1:
            return exact[0]
        several = f"{safe(word)} may be {', '.join(each.id for each in exact)}: say more of it."
        await self.tell(who, several if exact else f"No investigation {safe(word)} is remembered (history lists them).")
        return None

    # -- buttons ------------------------------------------------------------------------------------------------------

    async def proof(self, investigation: str, who: Asker) -> None:
        await self._about(investigation, who, blocks.proof)

    async def commands(self, investigation: str, who: Asker) -> None:
        await self._about(investigation, who, blocks.commands)

    async def opinion(self, investigation: str, opinion: Opinion, who: Asker) -> None:
        """What a person thinks of a verdict; his last word counts."""
        it = await self._store.investigations.get(investigation)
        if it is None or it.is_live:
            return await self.tell(who, "There is no verdict to have an opinion about.")
        await self._store.opinions.keep(Feedback(it.id, who.user, opinion, "", self._now()))
        return await self.tell(who, "Thank you: it is kept with the verdict, and nothing else is sent anywhere.")

    async def _about(self, investigation: str, who: Asker, tell: Callable[[Diagnosis], Said]) -> None:
        diagnosis = await self._diagnosis(investigation)
        if diagnosis is None:
            return await self.tell(who, "That verdict is not remembered any more.")
        return await self._whisper.say(who, tell(diagnosis))

    # -- the form -----------------------------------------------------------------------------------------------------

    async def fill(self, fill: Fill, who: Asker) -> None:
        """Ask for what is missing with the form; where no form can be opened, with a button that opens it."""
        if who.trigger and await self._opens(form.form(fill, who.channel, who.thread), who):
            return
        hint = safe(fill.hint, 1000) if fill.hint else "I need a pod and its namespace."
        await self.tell(who, hint, form.opener(fill))

    async def _opens(self, view: Mapping[str, Any], who: Asker) -> bool:
        try:
            await self._client.views_open(trigger_id=who.trigger, view=dict(view))
        except SlackApiError as why:
            log.info("the form could not be opened: %s", error_of(why))
            return False
        return True

    # -- inside -------------------------------------------------------------------------------------------------------

    async def tell(self, who: Asker, sentence: str, *more: Block) -> None:
        """A sentence for one person; `sentence` is escaped already."""
        await self._whisper.say(who, Said(sentence, (section(sentence), *more)))

    async def _verdict(self, it: Investigation) -> Said:
        verdict = await self._store.investigations.verdict(it.id)
        if verdict is None:
            return blocks.ended(it.request.target, it.state.value, it.why, it.id)
        try:
            return blocks.verdict(decode(verdict.result))
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


def _again(asked: Investigate, hint: str) -> Fill:
    target = Target(asked.pod, asked.namespace, asked.to_host, asked.to_port)
    return Fill(asked.pod, asked.namespace, target.to or "", "" if asked.since is None else f"{asked.since}s", hint)


def _usage() -> tuple[Block, ...]:
    lines = "\n".join(f"`/kai {each}`" for each in slash.USAGE)
    also = (
        "`@kai …` takes the same words, in threads, too. In the thread of a verdict ask `@kai why?`, `is it DNS?`, "
        "`what did you not measure?`, `show fix`, `show evidence E3`, `how sure?`. On a message: Investigate with KAI."
    )
    return (section(lines), section(also))


__all__ = ["INVITE", "Asker", "Desk", "Door", "Doors"]
