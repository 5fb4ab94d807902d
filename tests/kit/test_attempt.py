"""A part that fails does not take the others along; a cancellation does what it is for."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings

import pytest

from bot.desk.watching import Later, fan_out, tell_later
from flows.engine import Concluded, Saw
from sensors.kit.attempt import attempt, attempt_logged, start_logged
from tests.bot.report.examples import DENIED

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


async def test_a_task_that_fails_is_a_line_in_the_log_with_its_trace(caplog: pytest.LogCaptureFixture):
    await asyncio.wait({start_logged(fails(), log, "the part failed"), start_logged(asyncio.sleep(0), log, "another")})

    assert [(each.getMessage(), bool(each.exc_info)) for each in caplog.records] == [("the part failed: broken", True)]


async def hears(moment: Saw | Concluded | Later) -> None:
    """A watcher, or a listener."""


@pytest.mark.parametrize(
    "telling",
    [
        lambda: fan_out(hears, hears)(Concluded(DENIED)),
        lambda: tell_later(Later("i1"), (hears, hears)),
        lambda: asyncio.wait({start_logged(hears(Later("i1")), log, "failed")}),
    ],
    ids=["watchers", "listeners", "task"],
)
async def test_what_is_cancelled_before_it_began_leaves_nothing_that_nobody_awaits(telling):
    """As at the end of a process."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        task = asyncio.create_task(telling())
        await asyncio.sleep(0)  # those who are to hear of it have tasks of their own now, and none of these has begun
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.wait({task})
        del task
        gc.collect()

    assert [str(each.message) for each in seen if "never awaited" in str(each.message)] == []
