"""Takes events and interactions to apps, and asks again when they do not answer.

Slack's rules: an app must answer within three seconds. An event that is not answered comes again at once, after a
minute and after five, with a number and a reason. A command, a click or a form does not come again: the person sees an
error instead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lab.workspace.clock import WorkspaceClock
from lab.workspace.ids import Mint
from lab.workspace.people import App

Json = dict[str, Any]
EnvelopeKind = Literal["events_api", "interactive", "slash_commands"]

ACK_SECONDS = 3.0
RETRY_AFTER_S = (0.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One thing to be delivered to one app. `envelope_id` stays the same when it comes again."""

    kind: EnvelopeKind
    payload: Json
    envelope_id: str
    attempt: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AppResponse:
    """The app's answer: its payload (None when there was none) and whether it wants retries."""

    payload: Any = None


class NotAcked(Exception):
    """`reason` is Slack's word for it; `again` is False when the app asked not to be told again."""

    def __init__(self, reason: str, again: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt, for the record."""

    app: str
    parcel: Envelope
    transport: str
    acked: bool
    reason: str = ""


class Transport(Protocol):
    name: str

    async def send(self, app: App, parcel: Envelope) -> AppResponse:
        """One attempt; raises NotAcked."""


@dataclass(slots=True)
class Mischief:
    """Faults that a test has asked for."""

    twice: int = 0  # so many of the next deliveries are made two times
    lost: int = 0  # so many of the next acks get lost on their way


@dataclass(slots=True)
class EventDelivery:
    clock: WorkspaceClock
    mint: Mint
    sockets: Transport
    signed: Transport
    changed: Callable[[], None]
    mischief: Mischief = field(default_factory=Mischief)
    log: deque[DeliveryAttempt] = field(default_factory=lambda: deque(maxlen=1000))
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def event(self, app: App, payload: Json) -> None:
        """In the background, with retries."""
        parcel = Envelope("events_api", payload, self.mint.new("envelope-"))
        task = asyncio.get_running_loop().create_task(self._until_acked(app, parcel))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def interaction(self, app: App, kind: EnvelopeKind, payload: Json) -> AppResponse:
        """Once; raises NotAcked."""
        return await self._attempt(app, Envelope(kind, payload, self.mint.new("envelope-")))

    async def again(self, delivery: DeliveryAttempt, app: App) -> AppResponse:
        """The same parcel once more, as somebody who recorded it would send it."""
        return await self._attempt(app, delivery.parcel)

    async def close(self) -> None:
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _until_acked(self, app: App, parcel: Envelope) -> None:
        for attempt, pause in enumerate((None, *RETRY_AFTER_S)):
            if pause:
                await self.clock.sleep(pause)
            try:
                await self._attempt(
                    app, Envelope(parcel.kind, parcel.payload, parcel.envelope_id, attempt, parcel.reason)
                )
            except NotAcked as missed:
                parcel = Envelope(parcel.kind, parcel.payload, parcel.envelope_id, attempt, missed.reason)
                if missed.again:
                    continue
            return

    async def _attempt(self, app: App, parcel: Envelope) -> AppResponse:
        transport = self.signed if app.request_url else self.sockets
        if self.mischief.twice > 0:
            self.mischief.twice -= 1
            first, _ = await asyncio.gather(self._send(transport, app, parcel), self._send(transport, app, parcel))
            return first
        return await self._send(transport, app, parcel)

    async def _send(self, transport: Transport, app: App, parcel: Envelope) -> AppResponse:
        try:
            answer = await transport.send(app, parcel)
            self._lose_ack()
        except NotAcked as missed:
            self._note(DeliveryAttempt(app.id, parcel, transport.name, False, missed.reason))
            raise
        self._note(DeliveryAttempt(app.id, parcel, transport.name, True))
        return answer

    def _note(self, delivery: DeliveryAttempt) -> None:
        self.log.append(delivery)
        self.changed()

    def _lose_ack(self) -> None:
        if self.mischief.lost > 0:
            self.mischief.lost -= 1
            raise NotAcked("timeout")


async def within(clock: WorkspaceClock, seconds: float, work: asyncio.Future[Any]) -> Any:
    """The result of `work`, or TimeoutError once the workspace's clock has moved on by `seconds`."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            raise TimeoutError
        return work.result()
    finally:
        timer.cancel()
