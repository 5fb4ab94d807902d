"""The probes' servers on the lab's nodes: HTTPS with certificates on both sides, as the product asks real ones.

One port, and an address of the loopback network for each node: the address tells which node is asked. Only Linux
answers on all of these; elsewhere, and without openssl, the probe's program is run in its pod instead.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.cluster.certificates import make_probe_certificates
from sensors.access.probe.agent import LOOK_PATH, MAX_REQUEST, BadRequest, common_name
from sensors.access.probe.client import PROTOCOL_VERSION

CLIENT = "kai"
"""Who alone may ask, by the certificate's name; what the chart's probes are told, too."""

BIND_TRIES = 20

Look = Callable[[str, str], Mapping[str, Any]]
"""The answer to a question (JSON) on a node. Raises `BadRequest`."""


def can_be_served() -> bool:
    return sys.platform == "linux" and shutil.which("openssl") is not None


def address_of(number: int) -> str:
    """The address of the probe on the n-th node."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


@dataclass
class ProbeServers:
    """`nodes` in the order of their addresses. `environ` is what a KAI needs to ask them; empty before they serve."""

    folder: Path
    nodes: Sequence[str]
    look: Look
    port: int = 0

    @property
    def environ(self) -> dict[str, str]:
        found = {"KAI_PROBE_TLS": str(self.folder / "probe-client"), "KAI_PROBE_PORT": str(self.port)}
        return found if self.port else {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server, _ = await asyncio.to_thread(make_probe_certificates, self.folder)
        app = web.Application(client_max_size=MAX_REQUEST + 1)
        app.router.add_route("*", "/{path:.*}", self._answered)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            for each in _listening(len(self.nodes)):
                await web.SockSite(runner, each, ssl_context=_tls(server)).start()
                self.port = each.getsockname()[1]
            yield
        finally:
            await runner.cleanup()

    async def _answered(self, request: web.Request) -> web.Response:
        """Refuses what the probe's own server refuses, with the same status."""
        transport = request.transport
        if transport is None or common_name(transport.get_extra_info("peercert") or {}) != CLIENT:
            return _refused(403, "this client may not ask")
        if (request.method, request.path) != ("POST", LOOK_PATH):
            return _refused(404, f"there is POST {LOOK_PATH} and nothing else")
        if request.content_length is None:
            return _refused(411, "one Content-Length is needed")
        if request.content_length > MAX_REQUEST:
            return _refused(400, f"the request is larger than {MAX_REQUEST} bytes")
        try:
            said = self.look((await request.read()).decode(), self._node(transport))
        except (BadRequest, UnicodeDecodeError) as why:
            return _refused(400, str(why))
        return web.json_response(said)

    def _node(self, transport: Any) -> str:
        asked = transport.get_extra_info("sockname")[0]
        return next(node for number, node in enumerate(self.nodes) if address_of(number) == asked)


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"version": PROTOCOL_VERSION, "error": why}, status=status)


def _listening(count: int) -> list[socket.socket]:
    """A socket for each node, all with one port. Raises `OSError`."""
    for _ in range(BIND_TRIES):
        found: list[socket.socket] = []
        try:
            for number in range(count):
                port = found[0].getsockname()[1] if found else 0
                found.append(socket.create_server((address_of(number), port)))
        except OSError as why:
            for each in found:
                each.close()
            if why.errno != EADDRINUSE:
                raise
        else:
            return found
    raise OSError(EADDRINUSE, "no port is free on all addresses of the probes")


def _tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.load_verify_locations(folder / "ca.crt")
    return context
