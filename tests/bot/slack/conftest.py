"""The whole of KAI on a Slack-compatible workspace, over real sockets: store, desk, sensors and a recorded incident."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.alerts.plan import AlertLimits
from bot.app import Served, running
from bot.desk.limits import Limits
from bot.desk.ports import LookFor
from bot.secret import Secret
from bot.settings import Settings, SlackSettings
from flows.runner import ThreadRunner, WorkRunner
from lab.workspace import Workspace
from tests.kit.cases import CASES

USUAL = "api-server-cannot-watch"
POD = "api-server-79fd8d4cc-jzc5m"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)


@dataclass
class Kai:
    """KAI and the workspace it is in."""

    workspace: Workspace
    served: Served

    def root(self, channel: str = "incidents") -> dict[str, Any]:
        """The only message at the top level of a channel; LookupError as long as there is none."""
        found = self.workspace.messages(channel)
        if not found:
            raise LookupError(f"nothing in #{channel}")
        assert len(found) == 1, [each["text"] for each in found]
        return found[0]

    async def verdict(self, channel: str = "incidents") -> dict[str, Any]:
        """The root message once it says how the investigation ended."""
        return await self.workspace.wait_for(lambda: self._ended(channel))

    def _ended(self, channel: str) -> dict[str, Any] | None:
        found = [each for each in self.workspace.messages(channel) if is_over(each)]
        return found[-1] if found else None

    async def told(self) -> list[dict[str, Any]]:
        """The thread of the only root once both replies of the verdict are there: the picture, and the rest."""
        return await self.workspace.wait_for(self._whole_thread)

    def _whole_thread(self) -> list[dict[str, Any]] | None:
        thread = self.workspace.thread(self.root()["ts"])
        return thread if any(each["text"].startswith("Passed: ") for each in thread) else None

    async def whispers(self, user: str, count: int = 1) -> list[str]:
        """The texts that only this person sees, as soon as there are so many."""
        found = await self.workspace.wait_for(
            lambda: (seen := self.workspace.ephemerals(user)) and len(seen) >= count and seen
        )
        return [text_of(each) for each in found]


def is_over(message: dict[str, Any]) -> bool:
    """Is it a root message that says how the investigation ended?"""
    heads = [block["text"]["text"] for block in message.get("blocks", ()) if block["type"] == "header"]
    return bool(heads) and not heads[0].endswith(": looking")


def text_of(message: dict[str, Any]) -> str:
    """Every text of a message, as a reader sees it."""
    return "\n".join([message.get("text", ""), *_texts(message.get("blocks", []))])


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return [*own, *(each for part in value.values() for each in _texts(part))]
    return [each for part in value for each in _texts(part)] if isinstance(value, list) else []


def settings(workspace: Workspace, folder: Path, mode: str, pace: float = 0.01, **more: Any) -> Settings:
    app = workspace.app
    slack = SlackSettings(
        Secret(app.bot_token), mode, Secret(app.app_token), Secret(app.signing_secret), workspace.api_url, pace
    )
    made = Settings(slack, Secret(f"sqlite:///{folder}/kai.db"), CASES / USUAL, host="127.0.0.1", port=0)
    return replace(made, **more)


Start = Callable[..., AbstractAsyncContextManager[Kai]]


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with Workspace.start() as workspace:
        yield workspace


@pytest.fixture
def start(workspace: Workspace, used: Path, tmp_path: Path) -> Start:
    """Starts KAI; twice with the same database, if a test wants to see a restart."""
    shutil.copytree(used, tmp_path, dirs_exist_ok=True)

    @asynccontextmanager
    async def starting(
        mode: str = "socket",
        look: LookFor | None = None,
        limits: Limits | None = None,
        alert_limits: AlertLimits | None = None,
        runner: WorkRunner | None = None,
        **more: Any,
    ) -> AsyncIterator[Kai]:
        hellos = workspace.sockets.hellos
        set_up = settings(workspace, tmp_path, mode, **more)
        async with running(set_up, look, limits, alert_limits, runner=runner or ThreadRunner()) as served:
            if mode == "http":
                assert await workspace.use_http(f"{served.url}/slack/events")
            else:
                await workspace.connected(hellos + 1)
            yield Kai(workspace, served)

    return starting


@pytest.fixture
async def kai(start: Start) -> AsyncIterator[Kai]:
    async with start() as kai:
        yield kai


@pytest.fixture(params=["socket", "http"])
async def either(request: pytest.FixtureRequest, start: Start) -> AsyncIterator[Kai]:
    """KAI in either transport: what holds for one must hold for the other."""
    async with start(request.param) as kai:
        yield kai
