from __future__ import annotations

import pytest

from bot.store.store import Store
from tests.bot.change.playing import Play


@pytest.fixture
def play(store: Store) -> Play:
    return Play(store, seed=1)
