"""A small HTTP and websocket server in place of an API server, for answers that a real one cannot be made to give."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from sensors.access.kube import Kube, connect

SECRET = "s3cr3t-t0ken-of-the-tests"

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StandIn:
    """Answers each path with the next of its replies; the last one goes on for ever. `asked` is what came in."""

    replies: Mapping[str, list[Reply]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.tokens.add(request.headers.get("Authorization", ""))
        if request.path == "/version":
            return await says({"gitVersion": "v1.0.0"})(request)
        self.asked.append(request.path_qs)
        replies = self.replies.get(request.path, [status(404)])
        return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)


def says(body: Any, code: int = 200, **headers: str) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(
            text=text, status=code, headers={key.replace("_", "-"): each for key, each in headers.items()}
        )

    return reply


def status(code: int, message: str = "", **headers: str) -> Reply:
    """An error as the API server writes it."""
    return says({"kind": "Status", "status": "Failure", "message": message, "code": code}, code, **headers)


def page(*names: str, more: str = "") -> Reply:
    """One page of pods."""
    items = [{"metadata": {"name": each}} for each in names]
    return says({"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": more}, "items": items})


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The connection breaks without a word."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def stand_in(replies: Mapping[str, list[Reply]]) -> AsyncIterator[StandIn]:
    server = StandIn({path: list(each) for path, each in replies.items()})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def kubeconfig(folder: Path, server: str, *, user: Mapping[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with the context `test` and one user, who has the secret token where nothing else is said."""
    content = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else dict(user)}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass
class Pauses:
    """Waits that are noted and not waited."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def kube_at(server: StandIn, folder: Path, pauses: Pauses | None = None) -> AsyncIterator[Kube]:
    """A connection to the stand-in that does not really wait."""
    async with connect(kubeconfig(folder, server.url), environ={}, pause=pauses or Pauses()) as kube:
        yield kube
