"""Everything the workspace knows: people, apps, channels, messages, modals. All of it in memory.

Whoever changes something goes through here, so that each change is told once to those who listen (the apps as events,
the pages as a new picture).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lab.workspace.channel import Channel
from lab.workspace.clock import WorkspaceClock
from lab.workspace.ids import Mint, Stamps
from lab.workspace.kit import with_ids
from lab.workspace.modals import Modals
from lab.workspace.people import (
    ALERTMANAGER,
    BOTS,
    CAST,
    DOMAIN,
    GROUPS,
    KAI,
    NOTES,
    PARTNER_TEAM,
    TEAM,
    App,
    SlackUser,
    UserGroup,
)
from lab.workspace.refusal import MethodRefusal
from lab.workspace.text import compose, rich_text
from lab.workspace.tickets import ReplyHooks, Triggers

Json = dict[str, Any]
EventListener = Callable[[Json, Channel | None], None]


@dataclass(frozen=True, slots=True)
class EphemeralMessage:
    """An ephemeral message: one person sees it, nobody can look it up."""

    user: str
    channel: str
    ts: str
    body: Json


_PICTURES = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


@dataclass(slots=True)
class Upload:
    """A file: announced, then filled, then shared."""

    id: str
    name: str
    title: str
    alt_text: str = ""
    content: bytes = b""
    filled: bool = False

    @property
    def mimetype(self) -> str:
        """By its first bytes, whatever its name says: a picture, or text."""
        return next((kind for start, kind in _PICTURES.items() if self.content.startswith(start)), "text/plain")


class WorkspaceState:
    """Slack's side of the story; knows nothing of sockets or HTTP."""

    def __init__(self, clock: WorkspaceClock) -> None:
        self.clock = clock
        self.mint = Mint()
        self._stamps = Stamps()
        self.users: dict[str, SlackUser] = {user.id: user for user in (*CAST, *BOTS)}
        self.groups: dict[str, UserGroup] = {group.id: replace(group) for group in GROUPS}
        self.apps: dict[str, App] = {app.id: _own(app) for app in (KAI, ALERTMANAGER, NOTES)}
        self.channels: dict[str, Channel] = {channel.id: channel for channel in _channels()}
        self.modals = Modals(self.mint)
        self.triggers = Triggers(clock, self.mint)
        self.hooks = ReplyHooks(clock, self.mint)
        self.ephemerals: list[EphemeralMessage] = []
        self.uploads: dict[str, Upload] = {}
        self.base_url = ""
        self._listeners: list[EventListener] = []
        self._watchers: list[Callable[[], None]] = []

    # ---- who listens

    def on_event(self, listener: EventListener) -> None:
        """Called with every event, and the channel it happened in."""
        self._listeners.append(listener)

    def on_change(self, watcher: Callable[[], None]) -> None:
        self._watchers.append(watcher)

    def changed(self) -> None:
        for watcher in self._watchers:
            watcher()

    def tell(self, event: Json, channel: Channel | None = None) -> None:
        for listener in self._listeners:
            listener(event, channel)
        self.changed()

    # ---- looking things up

    def now_ts(self) -> str:
        return self._stamps.at(self.clock.now())

    def user(self, name: str) -> SlackUser:
        """By id or by handle; raises `user_not_found`."""
        found = self.users.get(name) or next((one for one in self.users.values() if one.name == name), None)
        if found is None:
            raise MethodRefusal("user_not_found")
        return found

    def channel(self, name: str) -> Channel:
        """By id, `#name` or `name`, or a user's id for his direct messages; raises `channel_not_found`."""
        wanted = name.removeprefix("#")
        found = self.channels.get(name) or next((one for one in self.channels.values() if one.name == wanted), None)
        if found is None:
            raise MethodRefusal("channel_not_found")
        return found

    def app_of(self, bot_user: str) -> App | None:
        return next((app for app in self.apps.values() if app.bot_user == bot_user), None)

    def direct(self, app: App, user: str) -> Channel:
        """The direct messages between a bot and a person; opened when there are none."""
        members = {app.bot_user, user}
        found = next((one for one in self.channels.values() if one.kind == "im" and one.members == members), None)
        if found is None:
            found = Channel(f"D{user[1:]}{app.id}", "", members, kind="im")
            self.channels[found.id] = found
        return found

    def handles(self) -> dict[str, str]:
        """Stored text of `@alice`, `@oncall` and `#alerts`."""
        people = {f"@{user.name}": f"<@{user.id}>" for user in self.users.values()}
        groups = {f"@{group.handle}": f"<!subteam^{group.id}>" for group in self.groups.values()}
        rooms = {f"#{one.name}": f"<#{one.id}|{one.name}>" for one in self.channels.values() if one.name}
        return {**people, **groups, **rooms, "@here": "<!here>", "@channel": "<!channel>"}

    def permalink(self, channel: str, ts: str) -> str:
        return f"{self.base_url}/archives/{channel}/p{ts.replace('.', '')}"

    # ---- messages

    def composed(self, typed: str) -> str:
        return compose(typed, self.handles())

    def say(self, user: SlackUser, channel: Channel, typed: str, thread_ts: str | None = None) -> Json:
        """A person writes."""
        text = self.composed(typed)
        content = {"text": text, "blocks": [rich_text(text)], "client_msg_id": self.mint.new("client-message-")}
        return self.post(channel, {"user": user.id, "team": user.team}, content, thread_ts)

    def post(
        self, channel: Channel, author: Json, content: Json, thread_ts: str | None = None, broadcast: bool = False
    ) -> Json:
        message = {"type": "message", **author, "ts": self.now_ts(), **content}
        if "blocks" in message:
            message["blocks"] = with_ids(message["blocks"], self.mint)
        if thread_ts:
            root = channel.messages.get(thread_ts, {}).get("thread_ts", thread_ts)
            message["thread_ts"] = root
            message.update({"subtype": "thread_broadcast"} if broadcast else {})
        channel.messages[message["ts"]] = message
        self.tell({**message, "event_ts": message["ts"]}, channel)
        return message

    def edit(self, channel: Channel, ts: str, content: Json, editor: str) -> Json:
        """Replaces text, blocks and attachments; what is not given stays."""
        before = channel.messages[ts]
        after = {**before, **content, "edited": {"user": editor, "ts": self.now_ts()}}
        if "blocks" in content:
            after["blocks"] = with_ids(content["blocks"], self.mint)
        channel.messages[ts] = after
        self.tell(self._hidden("message_changed", message=channel.seen(ts), previous_message=before), channel)
        return after

    def remove(self, channel: Channel, ts: str) -> None:
        before = channel.messages.pop(ts)
        self.tell(self._hidden("message_deleted", deleted_ts=ts, previous_message=before), channel)

    def post_ephemeral(self, user: str, channel: str, body: Json) -> EphemeralMessage:
        """An ephemeral message."""
        blocks = {"blocks": with_ids(body["blocks"], self.mint)} if body.get("blocks") else {}
        message = EphemeralMessage(user, channel, self.now_ts(), {**body, **blocks})
        self.ephemerals.append(message)
        self.changed()
        return message

    def ephemeral_at(self, user: str, ts: str) -> EphemeralMessage | None:
        return next((one for one in self.ephemerals if one.user == user and one.ts == ts), None)

    def update_ephemeral(self, message: EphemeralMessage, content: Json) -> None:
        """Only a `response_url` can do this."""
        blocks = {"blocks": with_ids(content["blocks"], self.mint)} if content.get("blocks") else {"blocks": []}
        at = self.ephemerals.index(message)
        self.ephemerals[at] = replace(message, body={**message.body, **content, **blocks})
        self.changed()

    def delete_ephemeral(self, message: EphemeralMessage) -> None:
        self.ephemerals.remove(message)
        self.changed()

    def slackbot(self, user: str, channel: str, text: str) -> None:
        """Message of Slack itself to one person."""
        self.post_ephemeral(user, channel, {"user": "USLACKBOT", "text": text})

    def react(self, channel: Channel, ts: str, emoji: str, user: str, add: bool) -> None:
        """Raises `already_reacted` or `no_reaction`."""
        message = channel.messages[ts]
        reactions = {one["name"]: list(one["users"]) for one in message.get("reactions", ())}
        there = user in reactions.get(emoji, ())
        if there == add:
            raise MethodRefusal("already_reacted" if add else "no_reaction")
        users = [one for one in reactions.get(emoji, []) if one != user] + ([user] if add else [])
        reactions[emoji] = users
        message["reactions"] = [{"name": k, "users": v, "count": len(v)} for k, v in reactions.items() if v]
        kind = "reaction_added" if add else "reaction_removed"
        item = {"type": "message", "channel": channel.id, "ts": ts}
        event = {"type": kind, "user": user, "reaction": emoji, "item": item, "item_user": message.get("user", "")}
        self.tell({**event, "event_ts": self.now_ts()}, channel)

    def join(self, channel: Channel, user: str) -> None:
        if user not in channel.members:
            channel.members.add(user)
            event = {"type": "member_joined_channel", "user": user, "channel": channel.id, "team": TEAM}
            self.tell({**event, "event_ts": self.now_ts()}, channel)

    def _hidden(self, subtype: str, **parts: Any) -> Json:
        ts = self.now_ts()
        return {"type": "message", "subtype": subtype, "hidden": True, **parts, "ts": ts, "event_ts": ts}


def team() -> Json:
    return {"id": TEAM, "domain": DOMAIN}


def _own(app: App) -> App:
    return replace(app, commands=dict(app.commands), shortcuts=dict(app.shortcuts))


def _channels() -> list[Channel]:
    staff = {user.id for user in CAST if user.team != PARTNER_TEAM}
    bots = {KAI.bot_user, ALERTMANAGER.bot_user}
    return [
        Channel("C0INCIDENTS", "incidents", staff | bots, topic="Why can this pod not talk?"),
        Channel("C0ALERTS", "alerts", staff | bots, topic="Alertmanager writes here"),
        Channel("C0PARTNER", "partner-shared", {user.id for user in CAST} | {KAI.bot_user}, shared=True),
        Channel("C0RANDOM", "random", set(staff), topic="KAI is not in this channel"),
        Channel("G0SECRET", "war-room", {"U0ALICE", "U0CAROL", KAI.bot_user}, kind="group"),
    ]
