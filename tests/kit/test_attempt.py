"""A part that fails does not take the others along; a cancellation does what it is for."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sensors.kit.attempt import attempt, attempt_logged

log = logging.getLogger(__name__)


async def fails() -> None:
    raise ValueError("broken")


async def test_what_succeeds_gives_its_result():
    assert await attempt(asyncio.sleep(0, "done")) == "done"


async def test_what_fails_gives_its_exception():
    assert str(await attempt(fails())) == "broken"


async def test_a_failure_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture):
    assert not await attempt_logged(fails(), log, "the part failed")
    assert ("the part failed: broken", True) in [(each.getMessage(), bool(each.exc_info)) for each in caplog.records]


async def test_a_success_is_silent(caplog: pytest.LogCaptureFixture):
    assert await attempt_logged(asyncio.sleep(0), log, "the part failed")
    assert caplog.records == []


async def test_something_cancelled_inside_does_not_cancel_the_caller():
    inner = asyncio.get_running_loop().create_future()
    inner.cancel()

    assert isinstance(await attempt(inner), asyncio.CancelledError)


async def test_a_cancellation_of_the_caller_goes_through():
    task = asyncio.create_task(attempt(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
