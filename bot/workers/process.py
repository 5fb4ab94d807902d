"""A worker process as the serving process sees it: asked one thing at a time, killed when it is given up."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from bot.workers.wire import HEAD, MAX_FRAME, PackedWork
from flows.runner import WorkLost

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "import sys; sys.path.append(sys.argv[1]); from bot.workers.worker import main; main()"
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
"""Variables that a worker gets: tokens and keys are not among them."""

CLOSING_S = 2.0
"""Seconds that a worker gets to see that its pipe is closed."""

Command = tuple[str, ...]
WORKER: Command = (sys.executable, "-I", "-c", BEGIN, str(ROOT))
"""Isolated: neither the working directory nor a variable says what is imported."""


class WorkerLost(WorkLost):
    """A worker ended or hung in the middle of its work, or there are none any more."""


class WorkerProcess:
    """One worker. `held` is the number of the snapshot that it was sent last; `done` counts its work."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.held: int | None = None
        self.done = 0

    @classmethod
    async def start(cls, command: Command = WORKER) -> WorkerProcess:
        """Raises `OSError` where none can be started. In a session of its own: Ctrl-C is not for it."""
        environ = {name: os.environ[name] for name in KEPT if name in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, env=environ, start_new_session=True, limit=1 << 20
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, work: PackedWork) -> bytes:
        """The answer, as bytes. Raises `WorkerLost` where the worker is gone."""
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise WorkerLost("a worker without a pipe")
        frame = work.frame(self.held)
        try:
            writer.write(HEAD.pack(len(frame)))
            writer.write(frame)  # apart: together they would be copied once more, on the loop
            await writer.drain()
            (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
            if size > MAX_FRAME:
                raise WorkerLost(f"worker {self.pid} answered with {size:,} bytes")
            answer = await reader.readexactly(size)
        except (OSError, asyncio.IncompleteReadError) as why:
            raise WorkerLost(f"worker {self.pid} ended in the middle of its work") from why
        self.held = work.snapshot.number if work.snapshot is not None else self.held
        self.done += 1
        return answer

    async def end(self) -> None:
        """Close its pipe, which it sees; kill it where it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSING_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        if self.is_alive:
            self._process.kill()
        await self._process.wait()
