"""A workspace with the real Bolt connected to it, over real sockets, once per transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from lab.workspace import HandClock, Workspace


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Bolt writes whole requests to its log when it refuses one."""
    logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def workspace(clock: HandClock) -> AsyncIterator[Workspace]:
    async with Workspace.start(clock=clock) as workspace:
        yield workspace


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.app.bot_token, base_url=workspace.api_url)


@pytest.fixture
def patient(client: AsyncWebClient) -> AsyncWebClient:
    """Waits as long as Retry-After says."""
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=3))
    return client


@pytest.fixture
async def dial(workspace: Workspace, client: AsyncWebClient) -> AsyncIterator[Callable[[], Awaitable[AsyncApp]]]:
    """Connects one more Bolt in Socket Mode, and hangs up after the test."""
    handlers: list[AsyncSocketModeHandler] = []

    async def connect() -> AsyncApp:
        app = AsyncApp(client=client)
        handlers.append(AsyncSocketModeHandler(app, workspace.app.app_token))
        await handlers[-1].connect_async()
        await workspace.connected(len(handlers))
        return app

    yield connect
    for handler in handlers:
        await handler.close_async()


@pytest.fixture
async def socket_app(dial: Callable[[], Awaitable[AsyncApp]]) -> AsyncApp:
    """Bolt in Socket Mode."""
    return await dial()


@pytest.fixture
async def http_app(workspace: Workspace, client: AsyncWebClient) -> AsyncIterator[AsyncApp]:
    """Bolt behind an HTTP address."""
    app = AsyncApp(client=client, signing_secret=workspace.app.signing_secret)
    runner = web.AppRunner(app.web_app(path="/slack/events"), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert await workspace.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    yield app
    await runner.cleanup()


@pytest.fixture(params=["socket_app", "http_app"])
def kai(request: pytest.FixtureRequest) -> AsyncApp:
    """Bolt in either transport: what holds for one must hold for the other."""
    app = request.getfixturevalue(request.param)
    assert isinstance(app, AsyncApp)
    return app


@pytest.fixture
def forever() -> asyncio.Event:
    """Never set: a listener that waits for it never acks."""
    return asyncio.Event()
