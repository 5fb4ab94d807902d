"""The one HTTP server: routes that are handed in, each with a limit on what it reads."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.errors import UsageMistake
from bot.web.connections import HANDSHAKE_S, KEEP_ALIVE_S, Bounds, OpenConnections
from sensors.kit.objects import one_line

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
"""Bytes of one request's body; Slack's own and an alert's are far smaller."""

BODY_TIMEOUT_S = 10.0
"""Seconds in which a request's body has to be there; Slack and Alertmanager take milliseconds."""

SMALL_BODY_BYTES = 64 * 1024
"""Bytes of a body that is read of anybody; what Slack and PagerDuty sign is nearly always smaller."""

MOST_LARGE_BODIES = 8
"""Larger bodies of anybody that are read at once on one port, over all its routes."""

SHUTDOWN_S = 2.0

EVERYWHERE = ("", "::")
"""Hosts that mean all addresses of the machine, of both families."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """A path and who answers it. A body that is longer than `largest` bytes is refused, announced or not.

    `of_anybody`: the body is read before it is known who sends it, since it is what is signed.
    """

    method: str
    path: str
    handler: Handler
    largest: int = LARGEST_BODY
    of_anybody: bool = False


@asynccontextmanager
async def listening(
    host: str, port: int, routes: Iterable[HttpRoute], tls: ssl.SSLContext | None = None, bounds: Bounds | None = None
) -> AsyncIterator[str]:
    """Serve the routes; the address is `http://HOST:PORT`, or https. Raises `UsageMistake` where nobody can listen."""
    connections = OpenConnections(bounds or Bounds())
    runner = _runner(application(routes, connections))
    await runner.setup()
    if runner.server is not None:
        connections.inner = runner.server
    try:
        server = await _started(connections, host, port, tls)
        try:
            shown = "127.0.0.1" if host in (*EVERYWHERE, "0.0.0.0") else host  # noqa: S104
            shown = f"[{shown}]" if ":" in shown else shown
            yield f"http{'s' if tls else ''}://{shown}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _runner(app: web.Application) -> web.AppRunner:
    server_log = logging.getLogger(f"{__name__}.http")
    server_log.filters[:] = [_one_line_for_others_faults]
    return web.AppRunner(
        app, access_log=None, logger=server_log, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=KEEP_ALIVE_S
    )


async def _started(connections: OpenConnections, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
    shake = HANDSHAKE_S if tls is not None else None
    try:
        loop = asyncio.get_running_loop()
        if host in EVERYWHERE:  # a socket for each family; a port of the kernel's choice would be another for each
            where = None if port else "0.0.0.0"  # noqa: S104
            return await loop.create_server(connections, where, port, ssl=tls, ssl_handshake_timeout=shake)
        return await loop.create_server(connections, host, port, ssl=tls, ssl_handshake_timeout=shake)
    except OSError as why:
        raise UsageMistake(f"cannot listen on {host or '*'}:{port}: {why.strerror or why}") from why


def application(routes: Iterable[HttpRoute], connections: OpenConnections) -> web.Application:
    """The routes as an application; each request tells `connections` that its head has come."""

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        with connections.answering(request):
            return await handler(request)

    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[counted])
    large = asyncio.Semaphore(MOST_LARGE_BODIES)
    for each in routes:
        app.router.add_route(each.method, each.path, _bounded(each, large))
    return app


class SlowBody(ConnectionError):
    """The body did not come in time."""


def _bounded(route: HttpRoute, large: asyncio.Semaphore) -> Handler:
    """Whoever reads the body gets no more than the route allows, and waits no longer than `BODY_TIMEOUT_S`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        bounded = request.clone(client_max_size=route.largest)
        if (request.content_length or 0) > route.largest:
            return _refused(request, 413, f"its body is longer than {route.largest:,} bytes")
        patience = asyncio.get_running_loop().call_later(BODY_TIMEOUT_S, _give_up, request)
        try:
            if route.of_anybody and _is_large(request):
                if large.locked():
                    return _refused(request, 503, "too many large bodies are being read: send it again")
                async with large:
                    await bounded.read()  # which the handler then finds there
            return await route.handler(bounded)
        except SlowBody:
            return _refused(request, 408, f"its body did not come within {BODY_TIMEOUT_S:g} s")
        except web.RequestPayloadError:
            return _refused(request, 400, "its body cannot be decoded")
        finally:
            patience.cancel()

    return handle


def _is_large(request: web.Request) -> bool:
    """Also where the length is not said, or is that of a compressed body."""
    length = request.content_length
    return length is None or length > SMALL_BODY_BYTES or "Content-Encoding" in request.headers


def _give_up(request: web.Request) -> None:
    if not request.content.is_eof():
        request.content.set_exception(SlowBody())


def _refused(request: web.Request, status: int, why: str) -> web.Response:
    """Ends the connection as well: what is left of the body is nobody's."""
    log.warning("%s %s from %s is refused: %s", request.method, one_line(request.path, 80), request.remote, why)
    return web.Response(status=status, headers={"Connection": "close"})


def _one_line_for_others_faults(record: logging.LogRecord) -> bool:
    """Logs faults of callers in one line: a request that is none, and a caller who hung up."""
    why = record.exc_info[1] if record.exc_info else None
    if isinstance(why, SlowBody | web.RequestPayloadError):
        return False  # it has had its line
    if isinstance(why, HttpProcessingError | ConnectionError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        said = one_line(f"{type(why).__name__} {why}", 120)
        record.msg, record.args = "%s: %s", (record.getMessage(), said)
        record.exc_info = record.exc_text = None
    return True
