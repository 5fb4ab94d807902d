"""The driver over our own workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab.workspace import Workspace
from tests.peer.chat import Json

CHANNEL, USER = "incidents", "alice"


@dataclass
class Ours:
    workspace: Workspace
    api_url: str
    bot_token: str
    app_token: str
    bot_user: str

    async def connected(self) -> None:
        await self.workspace.connected()

    async def command(self, line: str) -> None:
        assert (await self.workspace.user(USER).command(line, CHANNEL)).acked

    async def say(self, text: str, thread: str = "") -> None:
        await self.workspace.user(USER).say(text, CHANNEL, thread or None)

    async def press(self, message: Json, action_id: str) -> None:
        await self.workspace.user(USER).press(message["ts"], action_id)

    async def form(self) -> Json | None:
        views = self.workspace.user(USER).views
        return views[-1] if views else None

    async def submit(self, values: Mapping[str, Json]) -> None:
        said = {name: value.get("selected_option") or value.get("value") for name, value in values.items()}
        reply = await self.workspace.user(USER).submit(values=said)
        assert (reply.acked, reply.error) == (True, "")

    async def messages(self) -> list[Json]:
        top = self.workspace.messages(CHANNEL)
        said = [each for root in top for each in (root, *self.workspace.thread(root["ts"]))]
        return [*said, *({**each, "ephemeral": True} for each in self.workspace.ephemerals(USER))]


@asynccontextmanager
async def our_workspace() -> AsyncIterator[Ours]:
    async with Workspace.start() as workspace:
        app = workspace.app
        yield Ours(workspace, workspace.api_url, app.bot_token, app.app_token, app.bot_user)
