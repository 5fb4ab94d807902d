"""The driver over local-slack, a Slack-like server by others (parvalabs/local-slack, MIT): one program, from npm.

Fetched once into .cache/peer. It has no signatures, user groups, size limits, redelivery or Slack Connect, drops the
metadata of messages, and sends each envelope to all sockets: what hangs on those is tested on our own workspace only.
It listens on all interfaces; it knows nothing but what a test tells it, and lives for one test.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import socket
import subprocess
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.peer.chat import Json

PACKAGE, VERSION = "local-slack-linux-x64", "0.1.8"
CACHE = Path(__file__).parents[2] / ".cache" / "peer"
PROGRAM = CACHE / f"local-slack-{VERSION}"
CHANNEL, USER, BOT = "C01GEN", "U01ALICE", "U0KAI"
CONFIG = {
    "workspace": {"name": "peer", "domain": "peer", "teamId": "T01PEER"},
    "apps": [{"appId": "A0KAI", "botUserId": BOT, "botName": "kai", "botToken": "xoxb-peer", "appToken": "xapp-peer"}],
    "users": [{"id": USER, "name": "alice", "real_name": "Alice", "email": "alice@example.com"}],
    "channels": [{"id": CHANNEL, "name": "general", "members": [USER, BOT]}],
}


def program() -> Path:
    """The server's one file, fetched by whoever asks first; the others wait. Raises RuntimeError when it cannot be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            _fetch()
    return PROGRAM


def _fetch() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"{PACKAGE} comes from npm, which is not here: apt-get install npm")
    words = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", str(CACHE)]
    got = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    packed = CACHE / f"{PACKAGE}-{VERSION}.tgz"
    if got.returncode or not packed.exists():
        raise RuntimeError(f"{PACKAGE} {VERSION} cannot be fetched from npm: {got.stderr.strip()[-300:]}")
    with tarfile.open(packed) as archive:
        archive.extract("package/bin/local-slack", CACHE, filter="data")
    (CACHE / "package" / "bin" / "local-slack").rename(PROGRAM)
    shutil.rmtree(CACHE / "package")
    packed.unlink()


class LocalSlack:
    bot_token, app_token, bot_user = "xoxb-peer", "xapp-peer", BOT

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session
        self.api_url = f"{url}/api/"

    async def connected(self) -> None:
        async with asyncio.timeout(60):
            while not any(each.get("connected") for each in (await self._state())["apps"]):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)

    async def command(self, line: str) -> None:
        name, _, text = line.partition(" ")
        await self._control("command", channel=CHANNEL, user=USER, command=name, text=text)

    async def say(self, text: str, thread: str = "") -> None:
        more = {"thread_ts": thread} if thread else {}
        await self._control("message", channel=CHANNEL, user=USER, text=text.replace("@kai", f"<@{BOT}>"), **more)

    async def press(self, message: Json, action_id: str) -> None:
        pairs = [(block, each) for block in message["blocks"] for each in block.get("elements", ())]
        block, element = next(pair for pair in pairs if pair[1].get("action_id") == action_id)
        action = {name: element[name] for name in ("type", "action_id", "value") if name in element}
        action["block_id"] = block.get("block_id", "")
        await self._control("interact", channel=CHANNEL, messageTs=message["ts"], user=USER, action=action)

    async def form(self) -> Json | None:
        stack = (await self._state()).get("modalStack") or []
        return stack[-1] if stack else None

    async def submit(self, values: Mapping[str, Json]) -> None:
        """There is no address for this: only the server's own page can, over its socket."""
        said = {name: {name: value} for name, value in values.items()}
        async with self._session.ws_connect(f"{self._url}/ui") as page:
            await page.send_json({"t": "view_submit", "user": USER, "values": said})
            async with asyncio.timeout(60):
                while (await page.receive_json()).get("t") != "view":
                    continue

    async def messages(self) -> list[Json]:
        async with self._session.get(f"{self._url}/_control/messages/{CHANNEL}") as answer:
            said = (await answer.json())["messages"]
        return [{**each, "ephemeral": each.get("subtype") == "ephemeral"} for each in said]

    async def _control(self, what: str, **body: Any) -> None:
        async with self._session.post(f"{self._url}/_control/{what}", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def _state(self) -> Json:
        """What the server's own page is told when it opens."""
        async with self._session.ws_connect(f"{self._url}/ui") as page:
            return dict((await page.receive_json())["state"])


@asynccontextmanager
async def local_slack(folder: Path) -> AsyncIterator[LocalSlack]:
    """Runs for one test, with its files in that folder."""
    config, port = folder / "workspace.json", _free_port()
    await asyncio.to_thread(config.write_text, json.dumps(CONFIG))
    words = ("--config", str(config), "--port", str(port), "--base-host", "127.0.0.1", "--files-dir", str(folder))
    path = await asyncio.to_thread(program)
    process = await asyncio.create_subprocess_exec(path, *words, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}"
            await _answers(session, url)
            yield LocalSlack(url, session)
    finally:
        process.kill()
        await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"{url}/_control/state") as answer:
                    return answer.raise_for_status()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])
