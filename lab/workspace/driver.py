"""A person at the keyboard: types, presses, chooses, sends forms. Tests and the page act through this alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lab.workspace import kit, payloads
from lab.workspace.channel import Channel
from lab.workspace.event_delivery import EnvelopeKind, EventDelivery, NotAcked
from lab.workspace.events import Events
from lab.workspace.inbound import Inbound
from lab.workspace.kit import Values
from lab.workspace.limits import Problem, check_options, check_view
from lab.workspace.payloads import InteractionSource
from lab.workspace.people import App, SlackUser
from lab.workspace.refusal import MethodRefusal
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]
Where = Json | str
NO_VALUES: Values = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InteractionReply:
    """Reply within three seconds. `error`: why the person sees an error; `errors`: per block of a form."""

    acked: bool
    payload: Any = None
    error: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One user. Channels are named by id or name, messages by their ts or as `Workspace.messages` returns them."""

    user: SlackUser
    world: WorkspaceState
    courier: EventDelivery
    events: Events
    inbound: Inbound
    app: App

    # ---- writing

    async def say(self, text: str, channel: str = "incidents", thread_ts: str | None = None) -> Json:
        """`@alice`, `@oncall` and `#alerts` become mentions, as in Slack's own composer."""
        room = self._room(channel)
        said = self.world.say(self.user, room, text, thread_ts)
        self._mention_missed(said, room)
        return {**said, "channel": room.id}

    async def mention(self, text: str, channel: str = "incidents", thread_ts: str | None = None) -> Json:
        """Writes `@kai …`."""
        handle = self.world.users[self.app.bot_user].name
        return await self.say(f"@{handle} {text}", channel, thread_ts)

    async def message_bot(self, text: str) -> Json:
        """In the direct messages with the bot."""
        return await self.say(text, self.world.direct(self.app, self.user.id).id)

    async def command(self, line: str, channel: str = "incidents") -> InteractionReply:
        """A slash command with its text, as typed."""
        room = self._room(channel)
        name, _, text = line.strip().partition(" ")
        app = next((app for app in self.world.apps.values() if name in app.commands), None)
        if app is None:
            self.world.slackbot(self.user.id, room.id, f"`{name}` is not a valid command.")
            return InteractionReply(False, error="unknown_command")
        key = self.world.hooks.new(app.id, self.user.id, room.id)
        body = payloads.command(self.world, app, self.user, room, name, self._escaped(text.strip()), key)
        reply = await self._send(app, "slash_commands", body)
        if not reply.acked:
            self.world.slackbot(self.user.id, room.id, f'{name} failed with the error "{reply.error}"')
        return self._shown(key, reply)

    async def react(self, message: Where, emoji: str, add: bool = True) -> None:
        place = self.place(message)
        if place.channel is not None and place.message is not None:
            self.world.react(place.channel, place.message["ts"], emoji.strip(":"), self.user.id, add)

    # ---- pressing and choosing

    async def press(
        self,
        where: Where,
        action_id: str,
        value: Any = None,
        *,
        nth: int = 0,
        block_id: str = "",
        state: Values = NO_VALUES,
    ) -> InteractionReply:
        """Presses a button, or chooses `value` (an option's value, a user id, a date, a text) in any other element.

        `state`: what stands in the other elements by action id. Raises LookupError when the element is not there.
        """
        place = self.place(where)
        block, element = kit.find(place.blocks, action_id, nth, block_id)
        typed = place.view["state"]["values"] if place.view else {}
        chosen = {(block["block_id"], action_id): value} if kit.stateful(element) else {}
        values = kit.state(place.blocks, {**state, **chosen}, typed)
        if place.view is not None:
            self.world.modals.remember(self.user.id, place.view["id"], values)
        app = self._app_of(place)
        action = kit.pressed(block, element, value, self.world.now_ts())
        body = payloads.block_actions(self.world, app, self.user, place, action, values)
        return await self._send(app, "interactive", body)

    async def suggest(self, where: Where, action_id: str, query: str = "", *, block_id: str = "") -> list[Json]:
        """The options that the app offers for what is typed so far; none when it fails or its answer is not valid."""
        place = self.place(where)
        block, element = kit.find(place.blocks, action_id, block_id=block_id)
        app = self._app_of(place)
        body = payloads.block_suggestion(self.world, app, self.user, place, block, element, query)
        reply = await self._send(app, "interactive", body)
        if not reply.acked or check_options(reply.payload):
            return []
        groups = [group["options"] for group in reply.payload.get("option_groups", ())]
        return [*reply.payload.get("options", ()), *(one for group in groups for one in group)]

    async def shortcut(self, message: Where, callback_id: str) -> InteractionReply:
        """A message shortcut, from the menu of a message."""
        place = self.place(message)
        body = payloads.message_action(self.world, self.app, self.user, place, callback_id)
        return await self._send(self.app, "interactive", body)

    async def global_shortcut(self, callback_id: str) -> InteractionReply:
        body = payloads.shortcut(self.world, self.app, self.user, callback_id)
        return await self._send(self.app, "interactive", body)

    # ---- modals and home

    @property
    def views(self) -> list[Json]:
        """The open modals, the topmost last."""
        return self.world.modals.stack(self.user.id)

    @property
    def view(self) -> Json:
        """The topmost modal; raises LookupError when there is none."""
        if not self.views:
            raise LookupError(f"{self.user.name} has no modal open")
        return self.views[-1]

    @property
    def home(self) -> Json | None:
        """The app's home tab, as last published."""
        return self.world.modals.home(self.user.id, self.app)

    async def submit(self, view: Json | None = None, values: Values = NO_VALUES) -> InteractionReply:
        """Fills in the form (values by action id) and sends it. Slack's own page refuses empty required fields."""
        view = self._open(view) if view else self.view
        state = kit.state(view["blocks"], values, view["state"]["values"])
        if lacking := kit.missing(view["blocks"], state):
            return InteractionReply(False, error="incomplete", errors=lacking)
        self.world.modals.remember(self.user.id, view["id"], state)
        app = self.world.apps[view["app_id"]]
        body = payloads.view_submission(self.world, app, self.user, view, state)
        reply = await self._send(app, "interactive", body)
        return self._after_form(app, view, reply) if reply.acked else reply

    async def close(self, view: Json | None = None, all_views: bool = False) -> None:
        """Cancels; the app hears of it where the view asks for that (`notify_on_close`)."""
        view = self._open(view) if view else self.view
        stack = self.views
        gone = stack if all_views or view.get("clear_on_close") else [view]
        for one in gone:
            self.world.modals.close(self.user.id, one["id"])
        self.world.changed()
        for one in gone:
            if one["notify_on_close"]:
                app = self.world.apps[one["app_id"]]
                body = payloads.view_closed(self.world, app, self.user, one, cleared=len(gone) > 1)
                await self._send(app, "interactive", body)

    async def open_home(self) -> None:
        room = self.world.direct(self.app, self.user.id)
        self.events.direct(self.app, payloads.home_opened(self.world, self.user, room, self.home))

    # ---- inside

    def _room(self, name: str) -> Channel:
        room = self.world.channel(name)
        if self.user.id not in room.members:
            raise LookupError(f"{self.user.name} is not in #{room.name}")
        return room

    def _mention_missed(self, said: Json, room: Channel) -> None:
        """Slack's own hint when somebody calls an app that is not in the channel: else nobody would answer."""
        bot = self.world.users[self.app.bot_user]
        if f"<@{bot.id}>" in said["text"] and bot.id not in room.members:
            told = f"You mentioned <@{bot.id}>, but they're not in this channel."
            self.world.slackbot(self.user.id, room.id, told)

    def _escaped(self, text: str) -> str:
        """`should_escape: true` in the manifest: ids instead of names, each with its name."""
        composed = self.world.composed(text)
        for user in self.world.users.values():
            composed = composed.replace(f"<@{user.id}>", f"<@{user.id}|{user.name}>")
        return composed

    def place(self, where: Where) -> InteractionSource:
        """Finds it as this person sees it; raises LookupError when he does not."""
        if isinstance(where, dict) and where.get("type") in ("modal", "home"):
            return InteractionSource(view=self._open(where))
        ts = where if isinstance(where, str) else where["ts"]
        for channel in self.world.channels.values():
            if ts in channel.messages and self.user.id in channel.members:
                return InteractionSource(channel, channel.seen(ts))
        if message := self.world.ephemeral_at(self.user.id, ts):
            return InteractionSource.of_ephemeral(self.world.channel(message.channel), message)
        raise LookupError(f"{self.user.name} sees no message {ts}")

    def _open(self, view: Json) -> Json:
        """That view as it is now; raises LookupError when it is not open any more."""
        there = [*self.views, *([self.home] if self.home else [])]
        found = next((one for one in there if one["id"] == view["id"]), None)
        if found is None:
            raise LookupError(f"{self.user.name} has no view {view['id']} open")
        return found

    def _app_of(self, place: InteractionSource) -> App:
        shown = place.view or place.message or {}
        return self.world.apps[shown.get("app_id", self.app.id)]

    async def _send(self, app: App, kind: EnvelopeKind, body: Json) -> InteractionReply:
        try:
            answer = await self.courier.interaction(app, kind, body)
        except NotAcked as missed:
            return InteractionReply(False, error=_FOR_PEOPLE.get(missed.reason, "dispatch_failed"))
        finally:
            self.world.changed()
        return InteractionReply(True, answer.payload)

    def _shown(self, key: str, reply: InteractionReply) -> InteractionReply:
        """An ack may carry a message, and counts as no use of the response_url."""
        payload = {"text": reply.payload} if isinstance(reply.payload, str) else reply.payload
        if not (isinstance(payload, dict) and (payload.get("text") or payload.get("blocks"))):
            return reply
        try:
            self.inbound.answered(self.world.hooks.peek(key), payload)
        except MethodRefusal as refusal:
            return InteractionReply(True, payload, error=refusal.body["error"])
        return reply

    def _after_form(self, app: App, view: Json, reply: InteractionReply) -> InteractionReply:
        payload = reply.payload if isinstance(reply.payload, dict) else {}
        action = payload.get("response_action")
        if action == "errors":
            return InteractionReply(True, payload, error="errors", errors=payload.get("errors") or {})
        if action in ("update", "push") and (problem := check_view(payload.get("view"))):
            return InteractionReply(True, payload, error=problem.error, problem=problem)
        modals = self.world.modals
        steps: dict[Any, Callable[[], object]] = {
            None: lambda: modals.close(self.user.id, view["id"]),
            "clear": lambda: modals.clear(self.user.id),
            "update": lambda: modals.update(app, payload["view"], view_id=view["id"]),
            "push": lambda: modals.push(self.user.id, app, payload["view"]),
        }
        if action not in steps:
            return InteractionReply(True, payload, error="invalid_response_action")
        steps[action]()
        self.world.changed()
        return reply


_FOR_PEOPLE = {"timeout": "operation_timeout", "http_timeout": "operation_timeout", "http_error": "dispatch_failed"}
