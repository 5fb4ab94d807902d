"""/metrics: figures for Prometheus, for whoever may reach the port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.web.server import HttpRoute


def figures(page: Callable[[], Awaitable[bytes]]) -> HttpRoute:
    """The route that shows what `page` writes."""

    async def show(_: web.Request) -> web.StreamResponse:
        return web.Response(body=await page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return HttpRoute("GET", "/metrics", show)
