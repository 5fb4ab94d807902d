from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.store.database import file_of, is_sqlite
from bot.store.store import Store, open_store
from tests.bot.store.postgres import new_database, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/kai.db"
    return new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
async def store(url: str, migrated: Path) -> AsyncIterator[Store]:
    if is_sqlite(url):
        shutil.copy(migrated, file_of(url))
    async with open_store(url) as opened:
        yield opened
