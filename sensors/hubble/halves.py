"""Gathers a large file of hubble flows in two processes: this one reads its first half, a helper the second.

The answer is the one that this process alone would give, as far as there are no more attempts than `FOLD`: each half
sums up its own beyond that. Where the time was up before the helper had a word, the first half is all there is
(`cut_short`). The helper is Python started anew (no fork: there may be threads), with nothing imported but the reader;
it ends with the look, whatever becomes of it. There is none for small files, for what is not plain lines, and on one
core; where it fails, or a flow stands in both halves, this process reads the file alone. Two processes and no more:
each holds up to `FOLD` attempts, and memory is what a look has the least of.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import msgspec

from sensors.hubble.gathered import Gathered
from sensors.hubble.half import (
    Half,
    HalfAttempts,
    HalfHolding,
    HalfRead,
    HalfTask,
    receive,
    send,
    shared_by,
)
from sensors.hubble.lines import CHUNK, MAX_FLOW_BYTES, MAX_UNPACKED_BYTES, is_plain
from sensors.hubble.question import FlowQuestion

MIN_BYTES = 16 << 20
"""The smallest file for two processes: half of it is read while the helper starts."""

HEAD_START_BYTES = 8 << 20
"""As many are read while the helper starts: both take longer on a slower machine."""

LATE_S = 1.0
"""For what the helper still has to hand over when the time for reading is up."""

WAIT_S = 0.1
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from sensors.hubble.half import main; main()"

Message = TypeVar("Message", bound=msgspec.Struct)


_TURN = threading.Lock()
"""Held while there is a helper: of several that read at the same time, the others read alone."""


class _HelperFailed(Exception):
    """The helper ended early, or said something that is no message."""


def gather_in_halves(
    handle: int, question: FlowQuestion, keeps_on: Callable[[], bool], seconds: float
) -> Gathered | None:
    """Connections of an open file, within so many seconds; None where one process has to read it.

    Stops reading where `keeps_on` says no. Raises `UnreadableFlows` as `read_flow_lines` does.
    """
    size = os.fstat(handle).st_size
    middle = _middle(handle, size) if _is_worth_it(handle, size) else None
    if middle is None or not _TURN.acquire(blocking=False):
        return None
    until = time.monotonic() + seconds
    task = HalfTask(handle, middle, size, replace(question, enough=None), seconds)
    try:
        with _helper(task) as (helper, process):
            return _gathered(task, helper, lambda: process.poll() is None, keeps_on, until)
    except (_HelperFailed, OSError, OverflowError):  # the last: a number that no flow has, and no message can hold
        return None
    finally:
        _TURN.release()


def _is_worth_it(handle: int, size: int) -> bool:
    return (
        os.name == "posix"
        and MIN_BYTES <= size <= MAX_UNPACKED_BYTES
        and _cores() > 1
        and is_plain(os.pread(handle, CHUNK, 0))
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _middle(handle: int, size: int) -> int | None:
    """The beginning of a line near the middle of what is left when the helper has started; None where no line ends
    there, or is as long as no flow is."""
    place = (size + min(HEAD_START_BYTES, size // 2)) // 2
    after = os.pread(handle, MAX_FLOW_BYTES, place).find(b"\n")
    begin = place + after + 1
    return None if after < 0 or begin >= size else begin


@contextmanager
def _helper(task: HalfTask) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A process that has its task, and the handle to talk to it. It does not outlive the block."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *(each for each in sys.path if each)]
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 (this Python and this program)
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                pass_fds=[task.handle],
            )
        try:
            send(ours.fileno(), task)
            yield ours.fileno(), process
        finally:
            process.kill()
            process.wait()


def _gathered(
    task: HalfTask, helper: int, lives: Callable[[], bool], keeps_on: Callable[[], bool], until: float
) -> Gathered | None:
    first = Half(task.question)
    first.read(task.handle, 0, task.begin, lambda: lives() and keeps_on() and time.monotonic() < until)
    if not lives():
        raise _HelperFailed
    read = _patient_read(helper, keeps_on, until + LATE_S)
    try:
        with uncollected():
            shared = shared_by(first.holding(), _received(read, HalfHolding))
    except _HelperFailed:
        if time.monotonic() < until or not keeps_on():
            raise
        return first.alone()  # there is no time to read the rest
    if shared is None:
        return None
    send(helper, shared)
    with uncollected():
        first.fold(shared)
        try:
            other = _received(read, HalfRead)
        except _HelperFailed:
            if time.monotonic() < until or not keeps_on():
                raise
            return first.alone()
        return first.joined(other, _attempts(read))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps the garbage collector from going through what was read, again and again, while much is made of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _attempts(read: Callable[[int], bytes]) -> Iterator[HalfAttempts]:
    while (some := _received(read, HalfAttempts)).own or some.others:
        yield some


def _received(read: Callable[[int], bytes], kind: type[Message]) -> Message:
    try:
        return receive(read, kind)
    except (EOFError, msgspec.MsgspecError):
        raise _HelperFailed from None


def _patient_read(handle: int, keeps_on: Callable[[], bool], until: float) -> Callable[[int], bytes]:
    """Reads what the helper says; nothing comes after the time is up."""

    def read(length: int) -> bytes:
        while keeps_on() and time.monotonic() < until:
            if select.select([handle], [], [], WAIT_S)[0]:
                return os.read(handle, length)
        return b""

    return read
