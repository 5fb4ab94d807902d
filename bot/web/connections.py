"""Bounds on connections, below HTTP: how long a request's head may take, how many one address may hold.

Whoever says nothing, or one header a minute, holds no place that somebody else needs: where there are too many, the
connection that has waited longest for a request is closed, and one that is being answered never is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`head_s`: seconds from a request's first byte, or from dialling in, to the end of its headers. `unread_s`:
    seconds for which an answer may wait for a caller who does not read it. An address may be a proxy's: it gets many.
    """

    head_s: float = 10.0
    unread_s: float = 30.0
    of_one_address: int = 128
    in_all: int = 512


HANDSHAKE_S = 10.0
"""Seconds for a TLS handshake; asyncio itself would wait a minute."""

KEEP_ALIVE_S = 120.0
"""Seconds that an idle connection is kept: longer than clients do, so that it is they who close it (Go: 90)."""


class HttpConnection(asyncio.Protocol):
    """One connection, between its transport and aiohttp's protocol, which does all of HTTP."""

    def __init__(self, inner: asyncio.Protocol, all_of_them: OpenConnections) -> None:
        self._inner, self._all, self._bounds = inner, all_of_them, all_of_them.bounds
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self.address, self.answering = "", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self._inner.connection_made(transport)
        self._arm()
        self._all.add(self, transport)

    def data_received(self, data: bytes) -> None:
        if not self.answering and self._timer is None:
            self._arm()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resumed()
        if self._transport is not None:
            self._all.forget(self._transport)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._unread = self._unread or self._later(self._bounds.unread_s, "did not read its answer")
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self.resumed()
        self._inner.resume_writing()

    def resumed(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def began(self) -> None:
        """The head of a request is there, and it is being answered."""
        self._disarm()
        self.answering = True

    def ended(self) -> None:
        self.answering = False

    def _arm(self) -> None:
        self._timer = self._later(self._bounds.head_s, "sent no whole request")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self, seconds: float, why: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self.drop, f"{why} within {seconds:g} s")

    def drop(self, why: str) -> None:
        """Close it at once, whatever is still to be sent; one line says why."""
        log.warning("a connection from %s is closed: it %s", self.address, why)
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()


class OpenConnections:
    """All connections of one server. Makes a protocol for each, as asyncio's servers want it; `inner` makes HTTP's."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.inner: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._held: dict[asyncio.BaseTransport, HttpConnection] = {}

    def __call__(self) -> HttpConnection:
        return HttpConnection(self.inner(), self)

    def add(self, it: HttpConnection, transport: asyncio.BaseTransport) -> None:
        """Take it in; whoever has waited longest goes where there are too many."""
        self._held[transport] = it
        near = [each for each in self._held.values() if each.address == it.address]
        if len(near) > self.bounds.of_one_address:
            _longest_waiting(near).drop(f"was one of more than {self.bounds.of_one_address} from its address")
        elif len(self._held) > self.bounds.in_all:
            _longest_waiting([*self._held.values()]).drop(f"was one of more than {self.bounds.in_all}")

    def forget(self, transport: asyncio.BaseTransport) -> None:
        self._held.pop(transport, None)

    @contextmanager
    def answering(self, request: web.Request) -> Iterator[None]:
        """A request is answered: its connection is not waiting for one meanwhile."""
        it = self._held.get(request.transport) if request.transport is not None else None
        if it is None:
            yield
            return
        it.began()
        try:
            yield
        finally:
            it.ended()


def _longest_waiting(among: list[HttpConnection]) -> HttpConnection:
    """The oldest without a request; the newest of all where every one is being answered."""
    return next((each for each in among if not each.answering), among[-1])
