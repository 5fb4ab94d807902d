"""A Slack-compatible workspace on this machine: Web API, Socket Mode, signed HTTP, people, and a page to look at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from lab.workspace.api import Called, WebApi
from lab.workspace.clock import WallClock, WorkspaceClock
from lab.workspace.driver import Person
from lab.workspace.event_delivery import DeliveryAttempt, EventDelivery
from lab.workspace.events import Events
from lab.workspace.faults import Faults
from lab.workspace.inbound import Inbound
from lab.workspace.page import Page
from lab.workspace.people import ALERTMANAGER, KAI, App
from lab.workspace.rates import Rates
from lab.workspace.signed import SignedHttp
from lab.workspace.sockets import Sockets
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]
T = TypeVar("T")
UPLOAD_BYTES = 64 * 1024 * 1024


class Workspace:
    """The tests' handle on everything; `async with Workspace.start() as workspace:`."""

    def __init__(self, clock: WorkspaceClock | None = None, *, rate_limits: bool = False) -> None:
        clock = clock or WallClock()
        self.world = WorkspaceState(clock)
        self.sockets = Sockets(clock, self.world.mint, self.world.changed)
        self.signed = SignedHttp(clock)
        self.courier = EventDelivery(clock, self.world.mint, self.sockets, self.signed, self.world.changed)
        self.events = Events(self.world, self.courier)
        self.inbound = Inbound(self.world)
        self.rates = Rates(clock, rate_limits)
        self.api = WebApi(self.world, self.sockets, self.rates)
        self.faults = Faults(self.world, self.courier, self.sockets, self.signed, self.rates)
        self._changes = 0
        self._moved = asyncio.Event()
        self.world.on_event(self.events.heard)
        self.world.on_change(self._changed)

    @classmethod
    @asynccontextmanager
    async def start(
        cls, port: int = 0, host: str = "127.0.0.1", clock: WorkspaceClock | None = None, *, rate_limits: bool = False
    ) -> AsyncIterator[Workspace]:
        """Port 0 takes any free one; `url` tells which. Nothing here checks who you are: keep it to this machine."""
        workspace = cls(clock, rate_limits=rate_limits)
        runner = web.AppRunner(workspace.routes(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
            real = runner.addresses[0][1]
            workspace.world.base_url = f"http://{host}:{real}"
            yield workspace
        finally:
            await workspace.courier.close()
            await workspace.sockets.drop()
            await workspace.signed.close()
            await runner.cleanup()

    # ---- what an app needs to know

    @property
    def url(self) -> str:
        return self.world.base_url

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.url}/api/"

    @property
    def app(self) -> App:
        """KAI: `bot_token`, `app_token`, `signing_secret`."""
        return self.world.apps[KAI.id]

    @property
    def webhook_url(self) -> str:
        """An incoming webhook of Alertmanager's, into #alerts unless the payload names a channel."""
        return f"{self.url}/services/T0LAB/{ALERTMANAGER.id}/secret"

    @asynccontextmanager
    async def post_webhook(self, body: Json, app: str = ALERTMANAGER.id) -> AsyncIterator[aiohttp.ClientResponse]:
        """Speaks to the incoming webhook as Alertmanager would, or another app such as Notes; gives its answer."""
        url = self.webhook_url.replace(ALERTMANAGER.id, app)
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            yield response

    async def use_http(self, request_url: str) -> bool:
        """Switches KAI to signed HTTP; False when the app does not answer Slack's challenge."""
        if not await self.signed.greet(self.app, request_url):
            return False
        self.app.request_url = request_url
        return True

    # ---- what can be seen

    def user(self, name: str) -> Person:
        """alice and carol (on-call), bob (developer), grace (guest), mallory (of another company)."""
        user = self.world.user(name)
        return Person(user, self.world, self.courier, self.events, self.inbound, self.app)

    def messages(self, channel: str = "incidents") -> list[Json]:
        """Messages of the channel, oldest first, without replies and ephemeral messages."""
        room = self.world.channel(channel)
        return [{**one, "channel": room.id} for one in room.top()]

    def message(self, ts: str) -> Json:
        """As it is now; raises LookupError."""
        for room in self.world.channels.values():
            if ts in room.messages:
                return {**room.seen(ts), "channel": room.id}
        raise LookupError(f"no message {ts}")

    def thread(self, ts: str) -> list[Json]:
        """The replies to that message, oldest first."""
        room = self.world.channel(self.message(ts)["channel"])
        return [{**one, "channel": room.id} for one in room.thread(ts)[1:]]

    def ephemerals(self, user: str) -> list[Json]:
        """Messages that only that person sees, oldest first."""
        name = self.world.user(user).id
        return [{**one.body, "ts": one.ts, "channel": one.channel} for one in self.world.ephemerals if one.user == name]

    def direct_messages(self, user: str) -> list[Json]:
        """Direct messages of KAI and that person."""
        return self.messages(self.world.direct(self.app, self.world.user(user).id).id)

    def calls(self, method: str | None = None) -> list[Called]:
        """Calls of the Web API so far, of that method or of all."""
        return [one for one in self.api.log if method in (None, one.method)]

    def deliveries(self, kind: str | None = None) -> list[DeliveryAttempt]:
        """Deliveries to apps so far: `events_api`, `interactive`, `slash_commands`, or all."""
        return [one for one in self.courier.log if kind in (None, one.parcel.kind)]

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 60.0) -> T:  # noqa: ASYNC109  of the wall's clock
        """The first true answer of `predicate`, which is asked after each change; LookupErrors count as not yet.

        Raises TimeoutError with what stands in the channels, so that a failing test shows it. The limit is wide, for a
        busy machine: it ends what never comes, and measures nothing.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (found := _now(predicate)):
                    self._moved.clear()
                    await self._moved.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"still waiting after {timeout} s; there is:\n{self.transcript()}") from None

    async def connected(self, hellos: int = 1) -> None:
        """Until apps have dialled in so many times since the start."""
        await self.wait_for(lambda: self.sockets.hellos >= hellos)

    def transcript(self) -> str:
        """All channels as text, for people who read a failing test."""
        lines = []
        for room in self.world.channels.values():
            lines += [f"#{room.name or room.id}"] * bool(room.messages)
            lines += [f"  {ts} {_name(one)}: {one['text']}" for ts, one in room.messages.items()]
        lines += [f"  only {one.user}: {one.body['text']}" for one in self.world.ephemerals]
        return "\n".join(lines) or "  nothing"

    # ---- inside

    def routes(self) -> web.Application:
        app = web.Application(client_max_size=UPLOAD_BYTES)
        app.router.add_route("*", "/api/{method}", self.api.handle)
        app.router.add_get("/link/", self._dialled)
        app.router.add_post("/commands/{team}/{key}", self.inbound.reply)
        app.router.add_post("/actions/{team}/{key}", self.inbound.reply)
        app.router.add_post("/services/{team}/{app}/{secret}", self.inbound.webhook)
        app.router.add_post("/upload/{file}", self.inbound.upload)
        app.router.add_get("/files/{file}/{name}", self.inbound.download)
        Page(self.world, self.user).add_to(app)
        return app

    async def _dialled(self, request: web.Request) -> web.StreamResponse:
        return await self.sockets.dialled(request)

    def _changed(self) -> None:
        self._moved.set()


def _name(message: Json) -> str:
    return str(message.get("user") or message.get("username"))


def _now(predicate: Callable[[], T]) -> T | None:
    try:
        return predicate()
    except LookupError:
        return None
