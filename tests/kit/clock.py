"""An event loop whose clock jumps to whatever is waited for next: seconds of waiting take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Where nothing is ready, the time that the loop would have slept has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None:
            self.passed += max(timeout, 0.0)
        return ready


class FakedLoop(asyncio.SelectorEventLoop):
    """Its time is 0 at first. What is meant for a thread is done at once: a thread's work takes none of its time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        done = self.create_future()
        done.set_result(func(*args))
        return done


def in_faked_time(work: Coroutine[Any, Any, Result]) -> tuple[Result, float]:
    """The result, and the seconds that its waiting would have taken."""
    with asyncio.Runner(loop_factory=FakedLoop) as runner:
        result = runner.run(work)
        return result, runner.get_loop().time()
