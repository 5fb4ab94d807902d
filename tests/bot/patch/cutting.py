"""A proxy in front of an API server that hands each request on whole and may then break the connection.

`cuts` says for each write (dry runs aside) what becomes of it, in order: "answer" hands it on and breaks off instead of
answering; "request" breaks off before handing it on; "late" breaks off first and hands it on when `late` is awaited;
an HTTP status answers with that after handing it on. Everything else passes.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

Cut = str | int | None


@dataclass
class Cutting:
    upstream: str
    ca: ssl.SSLContext | None
    session: aiohttp.ClientSession
    cuts: list[Cut] = field(default_factory=list)
    blind_reads: int = 0
    writes: list[web.Request] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    held: list[tuple[web.Request, bytes]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.headers.append(dict(request.headers))
        if request.method == "GET":
            return await self._read(request, body)
        if "dryRun" in request.query_string or b'"dryRun"' in body or "reviews" in request.path:
            return await self._hand_on(request, body)
        self.writes.append(request)
        return await self._write(request, body, self.cuts.pop(0) if self.cuts else None)

    async def _read(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self.writes and self.blind_reads:
            self.blind_reads -= 1
            return _break(request)
        return await self._hand_on(request, body)

    async def _write(self, request: web.Request, body: bytes, cut: Cut) -> web.StreamResponse:
        if cut in ("request", "late"):
            self.held += [(request, body)] if cut == "late" else []
            return _break(request)
        said = await self._hand_on(request, body)
        if cut == "answer":
            return _break(request)
        return said if cut is None else web.json_response({"message": "gateway"}, status=int(cut))

    async def let_go(self) -> None:
        """What was held back arrives at last."""
        for request, body in self.held:
            await self._hand_on(request, body)
        self.held.clear()

    async def _hand_on(self, request: web.Request, body: bytes) -> web.Response:
        headers = [
            (key, each) for key, each in request.headers.items() if key.lower() not in ("host", "content-length")
        ]
        async with self.session.request(
            request.method,
            f"{self.upstream}{request.raw_path}",
            data=body or None,
            headers=headers,
            ssl=self.ca or True,
        ) as got:
            told = {name: got.headers[name] for name in ("Audit-Id",) if name in got.headers}
            return web.Response(status=got.status, body=await got.read(), content_type=got.content_type, headers=told)


def _break(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def cutting(upstream: str, ca_file: Path | None = None) -> AsyncIterator[Cutting]:
    ca = ssl.create_default_context(cafile=ca_file) if ca_file else None
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        proxy = Cutting(upstream, ca, session)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", proxy.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
