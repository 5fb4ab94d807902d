"""What Slack sends, whichever way it comes: acked at once, worked on once, and nothing left without an ack.

Slack sends again what is not acked within three seconds, and a signed request can be replayed for five minutes: each
delivery has a key, and the store tells its first time from all others. Bolt passes arguments by name, and a name that
it does not know as None, so the names below are Bolt's.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.report import blocks as ids
from bot.report.mrkdwn import safe
from bot.slack import form, lists
from bot.slack.background import Work
from bot.slack.doors import Doors
from bot.slack.ephemeral import Asker
from bot.slack.inbox import Inbox
from bot.slack.names import Names
from bot.slack.people import People
from bot.store import Door, Opinion
from bot.store.store import Store
from bot.triggers import message as pointed
from bot.triggers.commands import Fill, Investigate, Misread
from bot.triggers.followup import is_plain
from bot.triggers.slack_text import typed
from bot.triggers.slash import name as checked_name
from bot.triggers.slash import pod_word

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
COMMAND, SHORTCUT = "/kai", "kai_investigate"
WENT_WRONG = "Something went wrong here, and the log says what. Nothing was changed in the cluster; please ask again."

RESTARTED = "KAI was restarted before it could take this on. Please ask again"


class Listeners:
    """Register them on an app; the transport does not matter."""

    def __init__(
        self,
        doors: Doors,
        store: Store,
        people: People,
        names: Names,
        client: AsyncWebClient,
        bot_user: str,
        work: Work,
        inbox: Inbox,
    ) -> None:
        self._doors, self._store, self._people, self._names = doors, store, people, names
        self._client, self._bot_user, self._work, self._inbox = client, bot_user, work, inbox

    def register(self, app: AsyncApp) -> None:
        """The first that fits is called; the last ones ack what nobody knows, or Slack would send it again."""
        anything = re.compile(".*", re.DOTALL)
        app.command(COMMAND)(self.command)
        app.event("app_mention")(self.mention)
        app.event("message")(self.message)
        app.event("app_home_opened")(self.home)
        app.shortcut(SHORTCUT)(self.shortcut)
        app.view(form.FORM)(self.submitted)
        app.options(form.NAMESPACE)(self.namespaces)
        app.options(form.POD)(self.pods)
        app.action(anything)(self.action)
        for known in (app.command, app.shortcut, app.view, app.view_closed):
            known(anything)(self.ignored)
        app.event(anything)(self.ignored)
        app.options(anything)(self.no_options)
        app.error(self.failed)

    # -- words --------------------------------------------------------------------------------------------------------

    async def command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        who = Asker(
            str(body.get("user_id") or ""),
            str(body.get("channel_id") or ""),
            f"slash {body.get('trigger_id') or ''}",
            Door.SLASH,
            trigger=str(body.get("trigger_id") or ""),
            response_url=str(body.get("response_url") or ""),
        )
        text = str(body.get("text") or "")
        self._start(who, lambda: self._doors.command(text, who), f"{COMMAND} {text}")

    async def mention(self, ack: AsyncAck, event: dict[str, Any]) -> None:
        await ack()
        if _is_by_person(event):
            who, text = self._said(event, in_thread=True), self._without_name(event)
            in_thread = bool(event.get("thread_ts"))
            self._start(who, lambda: self._doors.mention(text, who, in_thread=in_thread), f"@kai {text.strip()}")

    async def message(self, ack: AsyncAck, event: dict[str, Any]) -> None:
        """Direct messages are for KAI; elsewhere only a known question in a thread is; mentions come twice."""
        await ack()
        if not _is_by_person(event):
            return
        text, in_thread = self._without_name(event), bool(event.get("thread_ts"))
        who = self._said(event, in_thread=in_thread)
        if event.get("channel_type") == "im":
            self._start(who, lambda: self._doors.mention(text, who, in_thread=in_thread), text.strip())
        elif in_thread and is_plain(text) and f"<@{self._bot_user}>" not in str(event.get("text")):
            self._start(who, lambda: self._doors.overheard(text, who))

    def _said(self, event: Json, *, in_thread: bool) -> Asker:
        ts = str(event.get("ts") or "")
        thread = str(event.get("thread_ts") or ts) if in_thread else ""
        channel = str(event.get("channel") or "")
        return Asker(str(event.get("user") or ""), channel, f"said {channel} {ts}", Door.MENTION, thread)

    def _without_name(self, event: Json) -> str:
        return str(event.get("text") or "").replace(f"<@{self._bot_user}>", " ")

    # -- the message shortcut -----------------------------------------------------------------------------------------

    async def shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        said = body.get("message") or {}
        thread = str(said.get("thread_ts") or said.get("ts") or "")
        who = _pressed(body, f"shortcut {body.get('trigger_id')}", thread)
        self._start(who, lambda: self._point(said, who))

    async def _point(self, said: Json, who: Asker) -> None:
        fill = pointed.parse(said)
        if not (fill.pod and fill.namespace):
            found = pointed.match(said, await self._names.pods())
            fill = found if found.pod else fill
        try:
            pod, namespace = pod_word(fill.pod), checked_name(fill.namespace, "namespace")
        except Misread:
            hint = "That message does not say which pod. Please choose it."
            return await self._doors.fill(Fill(fill.pod, fill.namespace, hint=hint), who)
        return await self._doors.investigate(Investigate(pod, namespace), who)

    # -- the form -----------------------------------------------------------------------------------------------------

    async def submitted(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        read = form.read(view)
        if isinstance(read, dict):
            await ack(response_action="errors", errors=read)
            return
        await ack()
        channel, thread = form.place(view)
        user = str((body.get("user") or {}).get("id") or "")
        who = Asker(user, channel, f"form {view.get('id')}", Door.SLASH, thread)
        self._start(who, lambda: self._doors.investigate(read, who))

    async def namespaces(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(options=form.options(await self._names.namespaces(), str(body.get("value") or "")))

    async def pods(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Of the namespace that is chosen, of all when none is."""
        wanted = form.chosen_namespace(body)
        names = {pod for space, pod in await self._names.pods() if wanted in ("", space)}
        await ack(options=form.options(names, str(body.get("value") or "")))

    async def no_options(self, ack: AsyncAck) -> None:
        await ack(options=[])

    # -- buttons and the home tab -------------------------------------------------------------------------------------

    async def action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        action = (body.get("actions") or [{}])[0]
        work = _ACTIONS.get(str(action.get("action_id") or ""))
        if work is None:
            return
        container = body.get("container") or {}
        message = body.get("message") or {}
        thread = str(message.get("thread_ts") or container.get("thread_ts") or container.get("message_ts") or "")
        who = _pressed(body, f"action {body.get('trigger_id')} {action.get('action_ts')}", thread)
        self._start(who, lambda: work(self._doors, str(action.get("value") or ""), who))

    async def home(self, ack: AsyncAck, event: dict[str, Any]) -> None:
        await ack()
        if event.get("tab") in ("home", None):
            self._work.start(self._publish(str(event.get("user") or "")))

    async def _publish(self, user: str) -> None:
        if await self._people.why_not(user) == "":
            view = lists.home(await self._store.investigations.recent(lists.MOST))
            await self._client.views_publish(user_id=user, view=view)

    async def ignored(self, ack: AsyncAck) -> None:
        await ack()

    async def failed(self, error: Exception, body: dict[str, Any]) -> None:
        log.error("a listener failed on %s", body.get("type") or body.get("command"), exc_info=error)

    # -- once, and for people of this workspace -----------------------------------------------------------------------

    def _start(self, who: Asker, work: Callable[[], Awaitable[None]], said: str = "") -> None:
        self._work.start(self._once(who, work, said))

    async def _once(self, who: Asker, work: Callable[[], Awaitable[None]], said: str) -> None:
        if who.user and await self._inbox.first(who, said):
            await self._allowed(who, work)
            await self._inbox.done(who)  # not where it is cancelled: then the next start tells the asker

    async def _allowed(self, who: Asker, work: Callable[[], Awaitable[None]]) -> None:
        if why := await self._people.why_not(who.user):
            await self._doors.tell(who, safe(why))
            return
        try:
            await work()
        except Exception:
            log.exception("a request from Slack failed")
            await self._doors.tell(who, WENT_WRONG)

    async def tell_lost(self) -> None:
        """Who was acked and got nothing, because a process ended at the wrong moment, is asked to ask again."""
        async for who, said in self._inbox.lost():
            words = f": {safe(typed(said), 300)}" if said else "."
            await self._doors.tell(who, f"{RESTARTED}{words}")


def _is_by_person(event: Json) -> bool:
    """No bots, no edits, no joins: `message` without a subtype brings all of them."""
    plain = event.get("subtype") in (None, "thread_broadcast", "file_share")
    return plain and not event.get("bot_id") and bool(event.get("user"))


def _pressed(body: Json, key: str, thread: str) -> Asker:
    return Asker(
        str((body.get("user") or {}).get("id") or ""),
        str((body.get("channel") or {}).get("id") or ""),
        key,
        Door.MENTION,
        thread,
        str(body.get("trigger_id") or ""),
        str(body.get("response_url") or ""),
    )


Action = Callable[[Doors, str, Asker], Coroutine[Any, Any, None]]


async def _opinion(doors: Doors, value: str, who: Asker) -> None:
    word, _, investigation = value.partition(":")
    if word in (Opinion.RIGHT.value, Opinion.WRONG.value):
        await doors.opinion(investigation, Opinion(word), who)


_ACTIONS: Mapping[str, Action] = {
    ids.SHOW_PROOF: Doors.proof,
    ids.COPY_KUBECTL: Doors.commands,
    ids.RERUN: Doors.rerun,
    ids.CANCEL: Doors.cancel,
    ids.OPINION: _opinion,
    ids.RIGHT: _opinion,
    ids.WRONG: _opinion,
    lists.SHOW: Doors.show_in_view,
    form.OPEN_FORM: lambda doors, value, who: doors.fill(form.filled(value), who),
}
"""What a button does. Approving a fix will be one more line here, behind a check of its own."""
