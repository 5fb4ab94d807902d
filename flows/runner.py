"""Runs pure work beside the event loop: judging a case, proving a change. The composition root chooses where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


class WorkLost(RuntimeError):
    """Work that has no result: whoever did it, often another process, is gone."""


class WorkRunner(Protocol):
    """Runs a function of a module on values that it only reads. What it raises comes back as it was raised.

    Raises `WorkLost` besides.

    A runner may do so in another process: the function, what it is given and what it returns must be picklable.
    """

    async def __call__(self, work: Callable[P, Result], *arguments: P.args, **keywords: P.kwargs) -> Result: ...

    def warm(self) -> None:
        """Prepare for work that will come in a second or two."""

    async def close(self) -> None:
        """End whatever was begun."""


class ThreadRunner:
    """Runs work in threads, one after the other: the interpreter does one thing at a time.

    The first is done as soon as it could be alone; beside each other all of them would be as late as the last, and the
    loop with them.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()

    async def __call__(self, work: Callable[P, Result], *arguments: P.args, **keywords: P.kwargs) -> Result:
        async with self.turn:
            return await asyncio.to_thread(work, *arguments, **keywords)

    def warm(self) -> None:
        """Nothing to prepare: a thread begins at once."""

    async def close(self) -> None:
        """Nothing to end: each thread ends with its work."""


__all__ = ["ThreadRunner", "WorkLost", "WorkRunner"]
