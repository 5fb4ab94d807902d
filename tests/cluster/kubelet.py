"""A node's kubelet as far as logs and programs go: HTTPS, two paths, whatever text a test wants.

It refuses what the kubelet's router refuses, and declares as a kubelet of Kubernetes 1.36 does that it speaks
websockets itself: the API server then hands the client's own request on to it, headers and all.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from lab.cluster.streams import exec_in, not_acceptable
from tests.cluster.apiserver import ApiServer


@dataclass
class Kubelet:
    """`logs` maps `namespace/pod/container` to (status, text); a program repeats its words. `asked`: the queries."""

    logs: Mapping[str, tuple[int, str]]
    asked: list[dict[str, str]] = field(default_factory=list)

    async def log(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if refusal := not_acceptable(request):
            return refusal
        code, text = self.logs.get(request.match_info["whose"], (404, "not here"))
        return web.Response(status=code, text=text)

    async def run(self, request: web.Request) -> web.StreamResponse:
        return await exec_in(request, lambda argv, _: (" ".join(argv).encode(), b"", len(argv) - 1))


@asynccontextmanager
async def kubelet(server: ApiServer, node: str, logs: Mapping[str, tuple[int, str]]) -> AsyncIterator[Kubelet]:
    """A Node object whose address and port are the stand-in's; it shows the API server's own certificate."""
    standin, app = Kubelet(logs), web.Application()
    app.router.add_get("/containerLogs/{whose:.*}", standin.log)
    app.router.add_get("/exec/{whose:.*}", standin.run)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.folder / "apiserver.crt", server.folder / "apiserver.key")
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    _register(server, node, runner.addresses[0][1])
    try:
        yield standin
    finally:
        await runner.cleanup()


def _register(server: ApiServer, node: str, port: int) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],
    }
    server.create("/api/v1/nodes", {"metadata": {"name": node}})
    reply = server.ask("PUT", f"/api/v1/nodes/{node}/status", {"metadata": {"name": node}, "status": status})
    assert reply.status == 200, reply
