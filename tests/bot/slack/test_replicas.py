"""Two replicas on one Postgres: what both of them are sent starts one investigation, and is said once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.store.store import open_store
from lab.workspace import Workspace
from tests.bot.slack.conftest import USUAL
from tests.bot.slack.test_alerts import BEARER, TOKEN, notification
from tests.bot.store.postgres import new_database, server
from tests.kit.cases import CASES

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with server() as url:
        yield url


@asynccontextmanager
async def replica(workspace: Workspace, database: str) -> AsyncIterator[str]:
    """A `kai serve` of its own; the address of its webhooks."""
    environ = {
        **os.environ,
        "SLACK_BOT_TOKEN": workspace.app.bot_token,
        "SLACK_APP_TOKEN": workspace.app.app_token,
        "SLACK_API_URL": workspace.api_url,
        "KAI_DATABASE_URL": database,
        "KAI_CASE": str(CASES / USUAL),
        "KAI_HOST": "127.0.0.1",
        "KAI_PORT": "0",
        "KAI_SLACK_PACE": "0.01",
        "KAI_ALERT_CHANNEL": workspace.world.channel("alerts").id,
        "KAI_ALERT_TOKEN": TOKEN,
    }
    piped = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "serve", env=environ, stderr=piped)
    assert process.stderr is not None
    said = b""
    while b"health on " not in said:
        said = await process.stderr.readline()
        assert said, "kai serve did not start"
    drained = asyncio.create_task(process.stderr.read())
    try:
        yield said.decode().partition("health on ")[2].partition("/healthz")[0]
    finally:
        process.terminate()
        await process.wait()
        await drained


async def send(url: str, body: dict[str, Any]) -> int:
    where = f"{url}/hooks/alertmanager"
    async with aiohttp.ClientSession(headers=BEARER) as session, session.post(where, json=body) as answer:
        return answer.status


def verdicts(workspace: Workspace) -> list[dict[str, Any]]:
    roots = workspace.messages("alerts")
    return [each for each in roots if any(block["type"] == "header" for block in each.get("blocks", ()))]


def reasons(workspace: Workspace, root: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in workspace.thread(root["ts"]) if each["text"].startswith("Started by the alert")]


async def test_one_batch_that_both_replicas_are_sent_starts_one_investigation(
    workspace: Workspace, postgres_server: str
):
    database = new_database(postgres_server)
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(replica(workspace, database)) for _ in range(2)]
        await workspace.connected()

        assert await asyncio.gather(*(send(url, notification()) for url in urls for _ in range(5))) == [200] * 10
        (root,) = await workspace.wait_for(lambda: verdicts(workspace))
        await workspace.wait_for(lambda: reasons(workspace, root))
        assert await asyncio.gather(*(send(url, notification()) for url in urls)) == [200, 200]
        await asyncio.sleep(3.0)  # what would be judged and said in between

        async with open_store(database) as store:
            started = await store.investigations.recent()

    assert len(started) == 1
    assert [each["ts"] for each in workspace.messages("alerts")] == [root["ts"]]
    assert len(reasons(workspace, root)) == 1
