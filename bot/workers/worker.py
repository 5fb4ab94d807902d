"""The worker's side: reads work from its pipe, does it, writes back what came of it, until the pipe closes.

It has no secret, no connection and no file of its own. The end of the serving process, however sudden, is its end.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, BinaryIO

from bot.interpreter import collect_seldom, keep_loaded, use_one_heap
from bot.workers.wire import HEAD, packed, read_frame, unpacked
from flows.catalog import rules
from sensors.kit.catalog import sensors

NICE = 5
"""An answer to Slack or to an alert goes before a verdict, where there are too few processors for both."""


@dataclass(frozen=True, slots=True)
class WorkDone:
    """Outcome of one piece of work: its result or what it raised, and its words for the log."""

    result: Any
    raised: Exception | None
    said: tuple[tuple[str, int, str], ...]


class LogOfWork(logging.Handler):
    """Keeps warnings until the serving process logs them in its own way."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.name, record.levelno, self.format(record)))

    def taken(self) -> tuple[tuple[str, int, str], ...]:
        said, self.said = tuple(self.said), []
        return said


def main() -> None:
    """Run until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the serving process, which then ends us
    os.nice(NICE)
    use_one_heap()
    frames, results = _pipes()
    log = LogOfWork()
    logging.getLogger().addHandler(log)
    rules(), sensors()
    collect_seldom()
    keep_loaded()
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(frames, waiting), daemon=True).start()
    while True:
        answer = answered(waiting.get(), log)
        try:
            results.write(HEAD.pack(len(answer)) + answer)
            results.flush()
        except OSError:
            return


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the serving process; whoever prints, prints to stderr."""
    frames, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return frames, results


def _read(frames: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    """Hands on frames. When nobody is there any more, the worker ends, in the middle of its work if need be."""
    while (frame := read_frame(frames)) is not None:
        waiting.put(frame)
    os._exit(0)


def answered(frame: bytes, log: LogOfWork) -> bytes:
    """Do the work of a frame."""
    result, raised = None, None
    try:
        work, arguments, keywords = unpacked(frame)
        result = work(*arguments, **keywords)
    except Exception as why:  # noqa: BLE001 - it is raised again in the serving process
        raised = _portable(why)
    said = log.taken()
    try:
        return packed(WorkDone(result, raised, said))
    except Exception as why:  # noqa: BLE001 - the result cannot travel
        return packed(WorkDone(None, _portable(why), said))


def _portable(why: Exception) -> Exception:
    """What was raised, or its words where it cannot travel. Its trace goes along as a note."""
    trace = "".join(traceback.format_exception(why))
    again: object = None
    with suppress(Exception):
        again = pickle.loads(pickle.dumps(why))  # noqa: S301 - our own
    again = again if isinstance(again, Exception) else RuntimeError(f"{type(why).__name__}: {why}")
    again.add_note(f"In a worker process:\n{trace}")
    return again


if __name__ == "__main__":
    sys.exit("started by kai serve only")
