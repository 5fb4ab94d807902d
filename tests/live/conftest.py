"""The API server of tests/cluster, where a real one is wanted; and living worlds beside the test's own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import programs  # noqa: F401 - a fixture
from tests.live.world import World, world_of

Opens = Callable[..., World]


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Opens]:
    """Opens incidents as living clusters that run beside the test, for commands, which bring a loop of their own."""
    with ExitStack() as stack:

        def open_one(name: str, **settings: Any) -> World:
            folder = tmp_path / "worlds" / name
            folder.mkdir(parents=True, exist_ok=True)
            return stack.enter_context(_beside(name, folder, settings))

        yield open_one


@contextmanager
def _beside(name: str, folder: Path, settings: dict[str, Any]) -> Iterator[World]:
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    opened: list[World] = []

    async def live() -> None:
        async with world_of(name, folder, **settings) as world:
            opened.append(world)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()), daemon=True)
    thread.start()
    assert ready.wait(60), "the world did not start"
    try:
        yield opened[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()
