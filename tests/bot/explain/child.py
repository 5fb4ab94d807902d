"""A desk with Claude in a process of its own, for those who kill it: `python -m tests.bot.explain.child DB FOLDER API`.

It explains the verdict of one recorded incident, and dies once at the moment that DIE names. When everything is said,
there is a file `done` in FOLDER.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.desk.desk import Extensions
from bot.desk.opening import open_desk
from bot.desk.ports import Note
from bot.explain.explanations import Explaining, Explains
from bot.explain.walks import Walks
from bot.store import OriginKind, Posted, Request
from bot.store.store import open_store
from flows.agent.asking import ClaudeClient, Purse
from flows.agent.reply import ModelReply
from flows.agent.settings import ClaudeSettings
from flows.catalog import rules
from flows.engine import WalkTools
from flows.load import load_flows
from sensors.kit.catalog import sensors
from tests.bot.desk.actors import FilePoster, looking, recordings
from tests.kit.messages_api import KEY

CASE, FLOW = "edge/edge-6879cc8688-k6wfq", "flow.k8s_policy_drops"
MOMENTS = ("in-the-call", "after-the-call", "in-the-second", "before-the-end")


def die_once(moment: str, folder: Path) -> None:
    mark = folder / f"died-{moment}"
    if moment == os.environ.get("DIE") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(ClaudeClient):
    """A client that may die when an answer has come and nobody has written down what was made of it."""

    folder: Path

    async def ask(self, purpose: str, request: Mapping[str, Any], purse: Purse, within: float) -> ModelReply:
        if purpose == "ask-1":
            asyncio.get_running_loop().call_later(0.6, die_once, "in-the-call", self.folder)
        reply = await super().ask(purpose, request, purse, within)
        die_once("after-the-call" if purpose == "ask-1" else "in-the-second", self.folder)
        return reply


class Wall(FilePoster):
    async def post(self, note: Note) -> Posted:
        if note.role == "explanation":
            die_once("before-the-end", self.path.parent)
        return await super().post(note)


async def main(url: str, folder: Path, api: str) -> None:
    known = recordings()
    target = known.folders[CASE].header.target
    assert target is not None
    async with open_store(url) as store:
        client = Mortal(ClaudeSettings(key=KEY, base_url=api), store.claude_calls)
        client.folder = folder
        await client.warm()
        walks = Walks(looking(known))
        explains = Explains(store, client, known.open, load_flows(), WalkTools(sensors(), rules()), walks)
        poster, more = Explaining(Wall(folder / "posts.jsonl"), explains), explains.added_to(Extensions())
        async with open_desk(url, walks, poster, extensions=more) as desk:
            explains.desk = desk
            started = await desk.start(Request(target, FLOW, OriginKind.ALERT, "U1"), once="alert-1")
            while not await said(store, started.id):  # noqa: ASYNC110 - whoever posts is in another run
                await asyncio.sleep(0.1)
        await client.close()
    (folder / "done").touch()


async def said(store: Any, investigation: str) -> bool:
    messages = {each.role: each.posted for each in await store.messages.of(investigation)}
    return messages.get("explanation") is not None and all(messages.values())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
