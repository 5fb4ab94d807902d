from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.desk.desk import Desk
from bot.desk.limits import Limits
from bot.desk.opening import open_desk
from bot.store import Ceiling
from bot.store.store import Store, open_store
from tests.bot.desk.actors import Hands, Wall
from tests.bot.store.postgres import server

LIMITS = Limits(Ceiling(cluster=12, namespace=10, user=8), each_process=6, each_namespace=5)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture
def url(used: Path, tmp_path: Path) -> str:
    shutil.copytree(used, tmp_path, dirs_exist_ok=True)
    return f"sqlite:///{tmp_path}/kai.db"


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A second look at what the desk remembers."""
    async with open_store(url) as opened:
        yield opened


@pytest.fixture
async def desk(url: str, hands: Hands, wall: Wall, store: Store) -> AsyncIterator[Desk]:
    async with open_desk(url, hands.look, wall, limits=LIMITS, patience=0) as opened:
        yield opened
