"""The one HTTP server: routes that are handed in, each with a limit on what it reads."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from bot.errors import UsageMistake

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
"""Bytes of one request's body; Slack's own and an alert's are far smaller."""

SHUTDOWN_S = 2.0

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path and who answers it. A body that is longer than `largest` bytes is refused, announced or not."""

    method: str
    path: str
    handler: Handler
    largest: int = LARGEST_BODY


@asynccontextmanager
async def listening(
    host: str, port: int, routes: Iterable[Route], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve the routes; the address is `http://HOST:PORT`, or https. Raises `UsageMistake` where nobody can listen."""
    runner = web.AppRunner(application(routes), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        yield await _start(runner, host, port, tls)
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None) -> str:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as why:
        raise UsageMistake(f"cannot listen on {host}:{port}: {why.strerror or why}") from why
    shown = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
    return f"http{'s' if tls else ''}://{shown}:{runner.addresses[0][1]}"


def application(routes: Iterable[Route]) -> web.Application:
    """The routes as an application, for tests without a socket, too."""
    app = web.Application(client_max_size=LARGEST_BODY)
    for each in routes:
        app.router.add_route(each.method, each.path, _bounded(each))
    return app


def _bounded(route: Route) -> Handler:
    """Reads the whole body before the handler does, and no more than the route allows."""

    async def handle(request: web.Request) -> web.StreamResponse:
        bounded = request.clone(client_max_size=route.largest)
        if (request.content_length or 0) > route.largest:
            return web.Response(status=413)
        return await route.handler(bounded)

    return handle
