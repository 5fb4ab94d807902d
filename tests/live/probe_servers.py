"""The probes' servers on the nodes of a recording: TLS as the real one speaks it, answers from the case's files.

One port, an address of the loopback network for each node: which node was asked is told by the address.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from sensors.access.live import LiveSettings
from sensors.access.probe.channel import LOOK_PATH
from tests.live.probes import Probes
from tests.probe.certificates import authority, signed


def address_of(number: int) -> str:
    """The address of the probe on a recording's n-th node."""
    return f"127.0.1.{number + 1}"


@dataclass(frozen=True)
class ProbeServers:
    """`settings` ask them as the chart's KAI does."""

    folder: Path
    port: int

    @property
    def settings(self) -> LiveSettings:
        return LiveSettings(probe_tls=self.folder / "kai", probe_port=self.port)


@asynccontextmanager
async def probe_servers(probes: Probes, nodes: Iterable[str], folder: Path) -> AsyncIterator[ProbeServers]:
    """All of a recording's probes, with fresh certificates in `folder`."""
    by_address = {address_of(number): node for number, node in enumerate(nodes)}
    ca = authority(folder / "ca")
    server, _ = signed(ca, "kai-probe", folder="server"), signed(ca, "kai", folder="kai")

    async def look(request: web.Request) -> web.Response:
        assert request.transport is not None
        node = by_address[request.transport.get_extra_info("sockname")[0]]
        asked: dict[str, Any] = await request.json()
        probes.requests.append((node, asked))
        await asyncio.sleep(probes.wait_s(asked))
        return web.json_response(probes.answer(node, asked))

    app = web.Application()
    app.router.add_post(LOOK_PATH, look)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0, ssl_context=_tls(server)).start()
    try:
        yield ProbeServers(folder, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.load_verify_locations(folder / "ca.crt")
    return context
