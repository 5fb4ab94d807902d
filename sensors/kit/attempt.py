"""Work that may fail without taking others along: the only `except Exception` besides `observe`'s.

Everything that must go on whatever its part does (a watcher, a rule, a sweep, a delivery) runs its part through here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def attempt(work: Awaitable[Result]) -> Result | BaseException:
    """Result of `work`, or the exception it raised. Only a cancellation of the caller goes through."""
    try:
        return await work
    except asyncio.CancelledError as why:
        caller = asyncio.current_task()
        if caller is not None and caller.cancelling():
            raise
        return why
    except Exception as why:  # noqa: BLE001 - that is what this is for
        return why


def attempt_now(work: Callable[[], Result]) -> Result | Exception:
    """As `attempt`, for work that waits for nothing."""
    try:
        return work()
    except Exception as why:  # noqa: BLE001 - that is what this is for
        return why


async def attempt_logged(work: Awaitable[object], log: logging.Logger, failure: str) -> bool:
    """Did `work` succeed? Otherwise the log has one line that begins with `failure`, and the trace."""
    outcome = await attempt(work)
    if isinstance(outcome, BaseException):
        _warn(log, failure, outcome)
        return False
    return True


def _warn(log: logging.Logger, failure: str, why: BaseException) -> None:
    log.warning("%s: %s", failure, why, exc_info=why)


def start_logged(work: Coroutine[Any, Any, object], log: logging.Logger, failure: str) -> asyncio.Task[Any]:
    """Starts `work` as a task whose failure is logged as by `attempt_logged`; it may be cancelled before it begins."""

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (why := task.exception()) is not None:
            _warn(log, failure, why)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task
