"""Tickets that Slack hands out with an interaction, good for a short while: trigger ids and reply addresses."""

from __future__ import annotations

from dataclasses import dataclass

from lab.workspace.clock import WorkspaceClock
from lab.workspace.ids import Mint
from lab.workspace.refusal import MethodRefusal

TRIGGER_SECONDS = 3.0
REPLY_SECONDS = 30 * 60.0
REPLY_USES = 5


@dataclass(slots=True)
class TriggerTicket:
    app: str
    user: str
    born: float
    view: str | None = None  # the view in which the interaction happened
    used: bool = False


class Triggers:
    """`trigger_id`: opens one modal, within three seconds."""

    def __init__(self, clock: WorkspaceClock, mint: Mint) -> None:
        self._clock, self._mint = clock, mint
        self._triggers: dict[str, TriggerTicket] = {}
        self.seconds = TRIGGER_SECONDS

    def new(self, app: str, user: str, view: str | None = None) -> str:
        name = self._mint.new("10000.20000.trigger")
        self._triggers[name] = TriggerTicket(app, user, self._clock.now(), view)
        return name

    def spend(self, name: str, app: str) -> TriggerTicket:
        """Raises `invalid_trigger_id`, `expired_trigger_id` or `exchanged_trigger_id`."""
        trigger = self._triggers.get(name)
        if trigger is None or trigger.app != app:
            raise MethodRefusal("invalid_trigger_id")
        if self._clock.now() - trigger.born > self.seconds:
            raise MethodRefusal("expired_trigger_id")
        if trigger.used:
            raise MethodRefusal("exchanged_trigger_id")
        trigger.used = True
        return trigger


@dataclass(slots=True)
class ReplyHook:
    """A `response_url`: who may be answered where, and about which message."""

    app: str
    user: str
    channel: str
    born: float
    message: str | None = None  # ts of the message in which a button was pressed
    thread: str | None = None
    uses: int = 0


class ReplyHooks:
    """`response_url`: five answers within thirty minutes."""

    def __init__(self, clock: WorkspaceClock, mint: Mint) -> None:
        self._clock, self._mint = clock, mint
        self._hooks: dict[str, ReplyHook] = {}

    def new(self, app: str, user: str, channel: str, message: str | None = None, thread: str | None = None) -> str:
        """The last part of the address."""
        key = self._mint.new("R")
        self._hooks[key] = ReplyHook(app, user, channel, self._clock.now(), message, thread)
        return key

    def peek(self, key: str) -> ReplyHook:
        return self._hooks[key]

    def use(self, key: str) -> ReplyHook:
        """Raises `expired_url` or `used_url`."""
        hook = self._hooks.get(key)
        if hook is None or self._clock.now() - hook.born > REPLY_SECONDS:
            raise MethodRefusal("expired_url")
        if hook.uses >= REPLY_USES:
            raise MethodRefusal("used_url")
        hook.uses += 1
        return hook
