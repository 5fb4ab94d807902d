"""`kai serve` put together: store, desk, cluster and Slack, each handed what it needs."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bot.clusters.opening import Windows, Worlds, looking_back, recorded
from bot.clusters.options import Live
from bot.desk.desk import Desk
from bot.desk.limits import Limits
from bot.desk.looking import Looking
from bot.desk.opening import open_desk
from bot.desk.ports import Look
from bot.errors import UsageMistake
from bot.settings import Settings
from bot.slack.background import Work
from bot.slack.connection import Identity, Socket, add_http, bolt, identify, open_socket, web_client
from bot.slack.doors import Doors
from bot.slack.inbox import Inbox
from bot.slack.listeners import Listeners
from bot.slack.names import Names
from bot.slack.outbox import Outbox
from bot.slack.people import People
from bot.slack.recovery import Seeker
from bot.slack.threads import Threads
from bot.store.database import is_sqlite
from bot.store.store import Store, open_store
from flows.catalog import rules
from flows.load import load_flows
from sensors.access.casefolder import BadCase
from sensors.kit.attempt import attempt_logged
from sensors.kit.catalog import sensors

log = logging.getLogger(__name__)

LOST = 30.0
"""Seconds between two looks for what a crash has left undone."""

GRACE = 8.0
"""Seconds that what is under way gets to end by itself; a pod has thirty."""

ALIVE = 5.0
"""Seconds that the store may take to answer a readiness probe."""


@dataclass(slots=True)
class Health:
    """What a probe is told. `socket` is None in HTTP mode, where Slack comes to us."""

    store: Store
    identity: Identity | None = None
    socket: Socket | None = None
    stopping: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def live(self, request: web.Request) -> web.Response:
        """The loop turns: that is all. A restart mends neither Slack nor a database."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        wrong = await self.wrong()
        return web.json_response({"status": wrong or "ready"}, status=503 if wrong else 200)

    async def wrong(self) -> str:
        """Why nothing can be asked just now; empty when it can."""
        if self.stopping:
            return "stopping"
        if self.socket is not None and not self.socket.is_up:
            return "not connected to Slack"
        try:
            async with asyncio.timeout(ALIVE):
                await self.store.investigations.live()
        except TimeoutError:
            return "the database does not answer"
        except Exception:
            log.exception("the database cannot be used")
            return "the database cannot be used"
        return ""


@dataclass(frozen=True, slots=True)
class Served:
    """A running KAI, for whoever has to wait for it: its address, and what it is made of."""

    url: str
    health: Health
    desk: Desk
    store: Store
    outbox: Outbox


@asynccontextmanager
async def running(settings: Settings, look: Look | None = None, limits: Limits | None = None) -> AsyncIterator[Served]:
    """KAI from connected to closed. Raises `BadSettings`, `BadToken`, `BadDatabase`, `Occupied` in one line.

    `look` takes the place of sensors and rules, for measurements of everything around them.
    """
    worlds = _worlds(settings)
    flows, seers = Windows(load_flows()), sensors()
    if settings.flow not in flows.flows:
        raise UsageMistake(f"KAI_FLOW: there is no flow {settings.flow} (kai list-flows shows all)")
    async with AsyncExitStack() as stack:
        token, api = settings.slack.bot_token.reveal(), settings.slack.api_url
        client = web_client(token, api)
        identity = await identify(client)
        store = await stack.enter_async_context(open_store(settings.database_url.reveal()))
        outbox = Outbox(web_client(token, api, patient=False), settings.slack.pace)
        threads = Threads(store, outbox, Seeker(client), flows, seers, limits)
        stack.push_async_callback(threads.close)
        look = look or Looking(worlds.open, flows, seers, rules())
        url = settings.database_url.reveal()
        desk = await stack.enter_async_context(open_desk(url, look, threads, threads.watching, limits))
        names, work = Names(worlds.cluster), Work()
        stack.push_async_callback(names.close)

        def flow_of(since: int | None) -> str:
            return looking_back(settings.flow, since)

        doors = Doors(desk, store, threads, outbox, client, worlds.find, flow_of)
        app = bolt(client, identity, _secret(settings))
        people = People(client, identity.team)
        inbox = Inbox(store, lambda: datetime.now(UTC), alone=is_sqlite(url))
        listeners = Listeners(doors, store, people, names, client, identity.bot_user, work, inbox)
        listeners.register(app)
        health = Health(store, identity)
        stack.push_async_callback(_finish, work, outbox, health)
        routes = _routes(health)
        if settings.slack.mode == "http":
            add_http(routes, app)
        served = Served(await _listen(stack, settings, routes), health, desk, store, outbox)
        stack.callback(asyncio.create_task(_every(LOST, listeners.tell_lost)).cancel)
        if settings.slack.mode == "socket" and settings.slack.app_token is not None:
            health.socket = await stack.enter_async_context(open_socket(app, settings.slack.app_token.reveal(), client))
        yield served


async def serve(settings: Settings, said: Callable[[str], None]) -> int:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    async with running(settings) as served:
        said(f"kai serves Slack by {settings.slack.mode}, health on {served.url}/healthz and /readyz")
        await stop.wait()
        said("kai stops: what is under way is carried on by the next start")
        served.health.stopping = True
    return 0


def _worlds(settings: Settings) -> Worlds:
    if settings.case is None:
        return Worlds(Live(settings.kubeconfig, settings.context, settings.hubble_server))
    try:
        return recorded(settings.case)
    except BadCase as why:
        raise UsageMistake(f"KAI_CASE: {why}") from why


def _secret(settings: Settings) -> str:
    return settings.slack.signing_secret.reveal() if settings.slack.signing_secret is not None else ""


def _routes(health: Health) -> web.Application:
    routes = web.Application(client_max_size=1024 * 1024)
    routes.router.add_get("/healthz", health.live)
    routes.router.add_get("/readyz", health.ready)
    return routes


async def _listen(stack: AsyncExitStack, settings: Settings, routes: web.Application) -> str:
    """Our own address: for the kubelet, and in HTTP mode for Slack."""
    runner = web.AppRunner(routes, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as why:
        raise UsageMistake(f"cannot listen on {settings.host}:{settings.port}: {why.strerror or why}") from why
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104
    return f"http://{host}:{runner.addresses[0][1]}"


async def _finish(work: Work, outbox: Outbox, health: Health) -> None:
    """No envelope comes in any more: what was acked is begun, and what was said is sent."""
    health.stopping = True
    await work.finish(GRACE)
    await outbox.drain(GRACE)


async def _every(seconds: float, act: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Now, and then again and again; it may fail once without ending for ever."""
    while True:
        await attempt_logged(act(), log, "it will be tried again")
        await asyncio.sleep(seconds)
