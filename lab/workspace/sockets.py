"""Socket Mode: the app dials in, Slack sends envelopes down the line, the app acks each by its id.

Up to ten lines per app; each envelope goes down one of them. Slack asks an app to dial in anew every now and then.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from lab.workspace.clock import WorkspaceClock
from lab.workspace.event_delivery import ACK_SECONDS, AppResponse, Envelope, NotAcked, within
from lab.workspace.ids import Mint
from lab.workspace.people import App
from lab.workspace.refusal import MethodRefusal

Json = dict[str, Any]
MAX_CONNECTIONS = 10
LIFETIME_SECONDS = 18_060  # what Slack says in its hello


@dataclass(eq=False, slots=True)
class SocketConnection:
    """One connection."""

    app: str
    socket: web.WebSocketResponse
    waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    async def tell(self, body: Json) -> None:
        await self.socket.send_str(json.dumps(body))


class Sockets:
    name = "socket"

    def __init__(self, clock: WorkspaceClock, mint: Mint, changed: Callable[[], None]) -> None:
        self._clock, self._mint, self._changed = clock, mint, changed
        self._tickets: dict[str, str] = {}
        self._lines: list[SocketConnection] = []
        self._turns: Iterator[int] = itertools.count()
        self.hellos = 0

    def lines(self, app: str | None = None) -> list[SocketConnection]:
        """The open connections, of one app or of all."""
        return [line for line in self._lines if app in (None, line.app)]

    def ticket(self, app: App, base_url: str) -> str:
        """The address of one more connection; raises `too_many_websockets`."""
        if len(self.lines(app.id)) >= MAX_CONNECTIONS:
            raise MethodRefusal("too_many_websockets")
        ticket = self._mint.new("ticket-")
        self._tickets[ticket] = app.id
        return f"{base_url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={app.id}"

    async def dialled(self, request: web.Request) -> web.StreamResponse:
        """The HTTP handler: one connection, from hello until it closes."""
        app = self._tickets.pop(request.query.get("ticket", ""), None)
        if app is None:
            raise web.HTTPForbidden(text="a ticket is good for one connection")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        line = SocketConnection(app, socket)
        self._lines.append(line)
        try:
            await line.tell(self._hello(app))
            self.hellos += 1
            self._changed()
            await self._listen(line)
        finally:
            self._forget(line)
        return socket

    async def send(self, app: App, parcel: Envelope) -> AppResponse:
        lines = self.lines(app.id)
        if not lines:
            raise NotAcked("timeout")  # Slack has no other word for an app that is not there
        line = lines[next(self._turns) % len(lines)]
        acked = line.waiting.setdefault(parcel.envelope_id, asyncio.get_running_loop().create_future())
        try:
            await line.tell(_envelope(parcel))
            return AppResponse(await within(self._clock, ACK_SECONDS, asyncio.shield(acked)))
        except (TimeoutError, ConnectionError) as error:
            raise NotAcked("timeout") from error
        finally:
            line.waiting.pop(parcel.envelope_id, None)

    async def disconnect(self, reason: str, app: str | None = None) -> None:
        """`warning`, `refresh_requested` or `link_disabled`; the app hangs up by itself."""
        for line in self.lines(app):
            await line.tell({"type": "disconnect", "reason": reason, "debug_info": {"host": "lab"}})

    async def drop(self, app: str | None = None) -> None:
        """Cuts the line without a word."""
        for line in self.lines(app):
            self._forget(line)
            await line.socket.close()

    def _forget(self, line: SocketConnection) -> None:
        if line in self._lines:
            self._lines.remove(line)
            _hang_up(line)
            self._changed()

    async def _listen(self, line: SocketConnection) -> None:
        async for frame in line.socket:
            if frame.type is WSMsgType.TEXT:
                _answered(line, frame.data)

    def _hello(self, app: str) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.lines(app)),
            "connection_info": {"app_id": app},
            "debug_info": {"host": "lab", "build_number": 1, "approximate_connection_time": LIFETIME_SECONDS},
        }


def _envelope(parcel: Envelope) -> Json:
    body = {
        "envelope_id": parcel.envelope_id,
        "type": parcel.kind,
        "payload": parcel.payload,
        "accepts_response_payload": parcel.kind != "events_api",
    }
    if parcel.kind == "events_api":
        body |= {"retry_attempt": parcel.attempt, "retry_reason": parcel.reason}
    return body


def _answered(line: SocketConnection, text: str) -> None:
    try:
        ack = json.loads(text)
        waiting = line.waiting.get(ack["envelope_id"])
    except (ValueError, KeyError, TypeError):
        return  # Slack does not answer what it does not understand
    if waiting is not None and not waiting.done():
        waiting.set_result(ack.get("payload"))


def _hang_up(line: SocketConnection) -> None:
    for waiting in line.waiting.values():
        if not waiting.done():
            waiting.set_exception(ConnectionError("the line was cut"))
