from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.store import Store, open_store
from tests.bot.change.playing import Play


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path}/kai.db") as opened:
        yield opened


@pytest.fixture
def play(store: Store) -> Play:
    return Play(store, seed=1)
