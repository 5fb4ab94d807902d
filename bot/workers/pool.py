"""Worker processes, as many as there is work for: begun when the first is near, ended when there was none for a while.

A worker that dies or hangs is replaced once, by another worker and never by a thread of ours: what killed a process of
its own is kept away from the one that serves. Threads do the work only where no process can be started at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, ParamSpec, TypeVar

from bot.interpreter import give_back_memory
from bot.workers.process import WORKER, Command, WorkerLost, WorkerProcess
from bot.workers.wire import PackedWork, WorkPacker
from bot.workers.worker import WorkDone
from flows.runner import ThreadRunner

log = logging.getLogger(__name__)

P = ParamSpec("P")
Result = TypeVar("Result")

MAX_WORKERS = 2
IDLE_S = 15.0
"""Seconds without work after which a worker ends. The next begins while the sensors of its case still look."""

WORK_TIMEOUT_S = 30.0
"""Seconds for one piece of work; the largest that were measured take seven."""

LARGE_SNAPSHOT = 5_000
"""Objects from which on one worker judges at a time: two would hold the policies of a large cluster twice."""

MAX_WORKS = 200
"""Pieces of work of one worker: what it remembers of them ends with it."""


class WorkerPool:
    """The `WorkRunner` of a process that serves. `close` it."""

    def __init__(
        self,
        most: int = MAX_WORKERS,
        idle_s: float = IDLE_S,
        timeout_s: float = WORK_TIMEOUT_S,
        command: Command = WORKER,
    ) -> None:
        self._room = asyncio.Semaphore(max(1, min(most, os.cpu_count() or 1)))
        self._large = asyncio.Lock()
        self._idle_s, self._timeout_s, self._command = idle_s, timeout_s, command
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._warming: asyncio.Task[None] | None = None
        self._closed = False
        self._evening: asyncio.TimerHandle | None = None
        self._packer, self._threads = WorkPacker(), ThreadRunner()

    async def __call__(self, work: Callable[P, Result], *arguments: P.args, **keywords: P.kwargs) -> Result:
        packed = await asyncio.to_thread(self._packer.pack, work, arguments, keywords)
        async with self._large if packed.size >= LARGE_SNAPSHOT else nullcontext(), self._room:
            answer = await self._answer(packed)
        if answer is None:
            return await self._threads(work, *arguments, **keywords)
        done: WorkDone = pickle.loads(answer)  # noqa: S301 - from a process that we started
        for name, level, words in done.said:
            logging.getLogger(name).log(level, "%s", words)
        if done.raised is not None:
            raise done.raised
        result: Result = done.result
        return result

    def warm(self) -> None:
        """Start a worker, where there is none that waits and nobody starts one."""
        is_warming = self._warming is not None and not self._warming.done()
        if not (self._idle or self._busy or self._closed or is_warming):
            self._warming = self._begun(self._warm())

    async def close(self) -> None:
        """End all workers; none is left behind, and none begins any more."""
        self._closed = True
        if self._evening is not None:
            self._evening.cancel()
        if self._warming is not None:
            await asyncio.wait([self._warming])
        idle, self._idle = self._idle, []
        await asyncio.gather(*(each.end() for each in idle), *(each.kill() for each in self._busy), *self._tasks)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that there are."""
        return tuple(each.pid for each in (*self._idle, *self._busy) if each.is_alive)

    # -- asking --------------------------------------------------------------------------------------------------------

    async def _answer(self, work: PackedWork) -> bytes | None:
        """The answer of a worker; None where none can be started. Raises `WorkerLost` when two were lost."""
        for again in (True, False):
            worker = await self._worker(work.number)
            if worker is None:
                return None
            try:
                return await self._asked(worker, work)
            except WorkerLost as why:
                log.warning("%s%s", why, "; another one begins anew" if again else "; it is given up")
                if not again:
                    raise
        return None

    async def _asked(self, worker: WorkerProcess, work: PackedWork) -> bytes:
        """Whatever happens in between, a worker whose answer was not taken is not asked again."""
        self._busy.add(worker)
        answer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await worker.ask(work)
        except TimeoutError:
            raise WorkerLost(f"worker {worker.pid} gave no answer within {self._timeout_s:g} s") from None
        finally:
            self._busy.discard(worker)
            self._put_back(worker, is_well=answer is not None)
        return answer

    def _put_back(self, worker: WorkerProcess, *, is_well: bool) -> None:
        if not is_well:
            self._begun(worker.kill())
        elif self._closed or worker.done >= MAX_WORKS:
            self._begun(worker.end())
        else:
            self._idle.append(worker)
        self._put_off()

    async def _worker(self, snapshot: int | None) -> WorkerProcess | None:
        """One that has these objects already, the one that worked last, or a new one."""
        if self._closed:
            raise WorkerLost("this process ends")
        if self._warming is not None and not self._idle:
            await asyncio.wait([self._warming])
        self._idle.sort(key=lambda each: each.held == snapshot)
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
        return await self._started()

    async def _started(self) -> WorkerProcess | None:
        try:
            return await WorkerProcess.start(self._command)
        except OSError as why:
            log.warning("no worker process can be started (%s); this process judges by itself", why)
            return None

    # -- beginning and ending ------------------------------------------------------------------------------------------

    async def _warm(self) -> None:
        worker = await self._started()
        if worker is not None:
            self._idle.append(worker)
            self._put_off()

    def _put_off(self) -> None:
        """Idle time begins anew."""
        if self._evening is not None:
            self._evening.cancel()
        if self._closed:
            return
        self._evening = asyncio.get_running_loop().call_later(self._idle_s, self._end_idle)

    def _end_idle(self) -> None:
        if self._busy:
            return
        idle, self._idle = self._idle, []
        self._packer.forget()
        for each in idle:
            self._begun(each.end())
        give_back_memory()

    def _begun(self, act: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
