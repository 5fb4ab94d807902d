"""Starts, repeats and ends investigations for a person in Slack, and says where they can be followed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.approval.rules import Approvals
from bot.change.asking import Asking
from bot.clusters.served import UnknownCluster
from bot.clusters.target import NoSuchPod
from bot.desk import LimitReached
from bot.intake import Intake, Taken
from bot.report.mrkdwn import safe
from bot.slack import form
from bot.slack.conversation import RootLocation
from bot.slack.conversations import Conversations
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.hints import Hints
from bot.slack.lookup import StoreLookup
from bot.slack.modals import ModalOpener
from bot.slack.outbox import Stopped, Unwelcome
from bot.slack.shared_channels import WORDS
from bot.store import Investigation, OriginKind
from bot.triggers.commands import Fill, Investigate

log = logging.getLogger(__name__)

INVITE = "KAI is not in this channel, so the answer comes to you directly. To have it here: `/invite @kai`."

LATE = (
    "It is being looked into (id {id}), but Slack did not take my message just now: the answer comes as soon as it "
    "does. No need to ask again."
)

ELSEWHERE = (
    "The same is being looked into just now in a conversation that you are not in, so its answer stays there. Ask "
    "again in a minute or two: when that is over, KAI looks for you."
)

Joined: TypeAlias = Callable[[str, str], Awaitable[None]]
"""Hears which person joined which investigation: of two persons who approve a change, they are no second one."""


async def nobody_joined(investigation: str, person: str) -> None:
    """Ignores who joined, where no change can be approved."""


class Cancels(Protocol):
    """As much of the desk as ends an investigation."""

    async def cancel(self, investigation: str, why: str = "cancelled") -> bool: ...


class Investigating:
    """Each method returns when the answer is on its way."""

    def __init__(
        self,
        intake: Intake,
        desk: Cancels,
        lookup: StoreLookup,
        conversations: Conversations,
        ephemerals: Ephemerals,
        client: AsyncWebClient,
        modals: ModalOpener,
        hints: Hints,
        approvals: Approvals,
        joined: Joined,
        asking: Asking,
    ) -> None:
        self._approvals, self._joined, self._asking = approvals, joined, asking
        self._intake, self._desk, self._lookup = intake, desk, lookup
        self._conversations, self._ephemerals, self._client = conversations, ephemerals, client
        self._modals, self._hints = modals, hints

    async def investigate(self, asked: Investigate, who: Asker) -> None:
        """Take it on and open its conversation; or say why not."""
        try:
            cluster = self._intake.cluster_of(asked, who.channel)
        except UnknownCluster as why:
            return await self._ephemerals.tell(who, safe(why))
        if why_not := await self._asking.why_not(who.user, asked.namespace, cluster):
            return await self._ephemerals.tell(who, safe(why_not))
        try:
            taken = await self._intake.take(asked, who.origin)
        except NoSuchPod as why:
            return await self.fill(_again(asked, str(why)), who)
        except LimitReached as why:
            return await self._ephemerals.tell(who, safe(why))
        return await self._opened(taken, who)

    async def repeat(self, investigation: str, who: Asker) -> None:
        """The same question once more, in the same root message where it stands in this channel."""
        it = await self._lookup.remembered(investigation, who)
        if it is None:
            return None
        if why := await self._asking.why_not(who.user, it.request.target.namespace, it.request.cluster):
            return await self._ephemerals.tell(who, safe(why))
        thread = it.request.thread if it.request.channel == who.channel else ""
        who = replace(who, thread=thread)
        async with self._conversations.repeating(it) as take_over:
            try:
                taken = await self._intake.repeat(it, who.origin)
            except LimitReached as why:
                return await self._ephemerals.tell(who, safe(why))
            if not taken.joined:
                await take_over(taken.investigation)
        return await self._opened(taken, who)

    async def _opened(self, taken: Taken, who: Asker) -> None:
        it, tell = taken.investigation, self._ephemerals.tell
        if taken.joined and not await self._lookup.may_see(it, who):
            await self._joined(it.id, who.user)
            return await tell(who, ELSEWHERE)
        try:
            place = await self._conversations.open(it)
        except Unwelcome as why:
            log.warning("the root message of %s can stand nowhere: %s", it.id, why)
            invite = f"I cannot write here ({safe(why.error)}). Invite me with `/invite @kai`."
            return await tell(who, WORDS.get(why.error, invite))
        except (SlackApiError, ClientError, TimeoutError, OSError, Stopped) as why:
            log.warning("the root message of %s is not there yet: %s", it.id, why)
            return await tell(who, LATE.format(id=it.id))
        if taken.joined:
            await self._joined(it.id, who.user)
            return await tell(who, f"This is being looked into already (id {it.id}): {await self._link(place)}")
        if place.direct:
            await tell(who, WORDS.get(await self._conversations.why_not(it.request.channel), INVITE))
        else:
            await self._hints.once(who)
        return None

    async def _link(self, place: RootLocation) -> str:
        """A link of Slack's own making."""
        try:
            answer = await self._client.chat_getPermalink(channel=place.channel, message_ts=place.ts)
        except SlackApiError:
            return f"in <#{place.channel}>"
        return f"<{answer['permalink']}|its thread>"

    async def cancel(self, word: str, who: Asker) -> None:
        """End what is under way: by its id, or the one of this thread."""
        if word:
            it = await self._lookup.meant(word, who)
        else:
            it = await self._conversations.of_thread(who.channel, who.thread)
        if it is None:
            return None if word else await self._lookup.say_which(who)
        if not may_cancel(it, who.user, self._approvals):
            return await self._ephemerals.tell(who, "Only who asked for it, or may approve changes, can cancel it.")
        if not await self._desk.cancel(it.id, f"cancelled by {who.user}"):
            return await self._ephemerals.tell(who, f"There is nothing to cancel: {safe(it.id)} is over.")
        return None

    # -- the form -----------------------------------------------------------------------------------------------------

    async def fill(self, fill: Fill, who: Asker) -> None:
        """Ask for what is missing with the form; where no form can be opened, with a button that opens it."""
        if await self._modals.opens(form.form(fill, who.channel, who.thread), who):
            return
        hint = safe(fill.hint, 1000) if fill.hint else "I need a pod and its namespace."
        await self._ephemerals.tell(who, hint, form.opener(fill))


def may_cancel(it: Investigation, user: str, approvals: Approvals) -> bool:
    """Whoever asked for it, and whoever is known as somebody who may approve; an alert's is anybody's."""
    request = it.request
    return user == request.asked_by or request.origin is OriginKind.ALERT or user in approvals.directory.people


def _again(asked: Investigate, hint: str) -> Fill:
    since = "" if asked.since is None else f"{asked.since}s"
    return Fill(asked.pod, asked.namespace, asked.target.to or "", since, hint, asked.cluster)
