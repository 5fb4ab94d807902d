"""Databases of KAI's own, made once in a process and copied for each test: a copy is what the migrations left."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.desk import journal
from bot.desk.limits import Limits
from bot.desk.opening import open_desk
from bot.store.store import Store, open_store
from tests.bot.desk.actors import Hands, Wall


@pytest.fixture(scope="session", autouse=True)
def _desks_end_at_once() -> Iterator[None]:
    """The end of a desk waits for the next look of dbos at what runs tell each other: half a second for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "LISTENING_S", 0.05)
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and no rows. What the migrations do is tested in tests/bot/store."""
    file = tmp_path_factory.mktemp("migrated") / "kai.db"

    async def open_once() -> None:
        async with open_store(f"sqlite:///{file}"):
            pass

    asyncio.run(open_once())
    return file


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk's folder that was opened once: dbos takes a second to notice a queue that is new to its database."""
    folder = tmp_path_factory.mktemp("used")

    async def open_once() -> None:
        async with open_desk(f"sqlite:///{folder}/kai.db", Hands().look, Wall(), limits=Limits()):
            pass

    asyncio.run(open_once())
    return folder


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> str:
    """The URL of a database of the test's own, its tables up to date."""
    shutil.copy(migrated, tmp_path / "kai.db")
    return f"sqlite:///{tmp_path}/kai.db"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened
