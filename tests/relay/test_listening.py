"""How long a look listens, in faked time."""

from __future__ import annotations

import asyncio

import pytest

from sensors.access.relay.listening import listening
from tests.kit.clock import in_faked_time


async def listened(at_most: float, echo: float, set_after: float | None, *, aware: bool = True) -> None:
    enough = asyncio.Event()
    if set_after is not None:
        asyncio.get_running_loop().call_later(set_after, enough.set)
    try:
        async with asyncio.timeout(None) as patience:
            with listening(patience, at_most, echo, enough if aware else None):
                await asyncio.Event().wait()
    except TimeoutError:
        return
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("set_after", "takes"),
    [(0.5, 1.6), (0.0, 1.1), (1.5, 2.0), (5.0, 2.0), (None, 2.0)],
)
def test_listening_ends_when_what_the_look_caused_has_come_and_at_the_limit(set_after, takes):
    _, seconds = in_faked_time(listened(2.0, 1.1, set_after))

    assert seconds == pytest.approx(takes)


def test_who_tries_nothing_listens_to_the_end():
    _, seconds = in_faked_time(listened(2.0, 1.1, 0.1, aware=False))

    assert seconds == pytest.approx(2.0)


def test_a_stream_that_ends_earlier_leaves_nothing_behind():
    async def short() -> int:
        enough = asyncio.Event()
        async with asyncio.timeout(None) as patience:
            with listening(patience, 2.0, 1.1, enough):
                await asyncio.sleep(0.2)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    tasks, seconds = in_faked_time(short())

    assert tasks == 1
    assert seconds == pytest.approx(0.2)
