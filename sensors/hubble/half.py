"""One half of a file of hubble flows, gathered; and the program of the process that reads the second half.

The two processes talk in messages (`send`, `receive`): what is to be read; what the second half holds, by name; which
attempts both halves have seen; the second half. Both run the same code, so the messages have no version. Flows are
summed up as they are written; only what a proxy read becomes a record.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec

from sensors.hubble.gathered import Gathered
from sensors.hubble.joining import HandedAttempts, Holding, Part, Shared, holding, join, join_attempts, left_of, part_of
from sensors.hubble.joining import shared_by as shared_connections
from sensors.hubble.line_reader import LineReader, ReaderBooks
from sensors.hubble.lines import MAX_FLOW_BYTES
from sensors.hubble.question import FlowQuestion
from sensors.hubble.records import HubbleFlow, LostEvents, NodeStatus

LENGTH_BYTES = 4
CHUNK_BYTES = 1 << 16
LINES_AT_ONCE = 128  # as many as stay near at hand
MOST_PAIRS = 50  # of addresses whose attempts are in one message

Message = TypeVar("Message", bound=msgspec.Struct)


class HalfTask(msgspec.Struct):
    """Order to read: the bytes of an open file, for so many seconds at most."""

    handle: int
    begin: int
    end: int
    question: FlowQuestion
    seconds: float


class HalfHolding(msgspec.Struct):
    """Holding of a half: its flows and attempts by name."""

    own: Holding
    others: Holding


class HalfShared(msgspec.Struct):
    """Attempts that both halves may have seen."""

    own: Shared
    others: Shared


class HalfRead(msgspec.Struct):
    """Sums of a half, as they are handed over."""

    own: Part
    others: Part
    statuses: list[NodeStatus]
    lost: list[LostEvents]
    books: ReaderBooks
    cut_short: bool


class HalfAttempts(msgspec.Struct):
    """Some of the attempts that are handed over as they are; the last message of this kind holds none."""

    own: list[HandedAttempts]
    others: list[HandedAttempts]


DONE = HalfAttempts([], [])


class Half:
    """Gathers one half of a file. `after` is the number of lines that stand before it, as far as it is known."""

    def __init__(self, question: FlowQuestion, after: int = 0) -> None:
        self.gathered = Gathered(question)
        self.reader = LineReader(question, after)

    def read(self, handle: int, begin: int, end: int, keeps_on: Callable[[], bool]) -> None:
        """Reads the lines between two places of an open file, as long as `keeps_on` says so."""
        whole_until = _last_line_end(handle, begin, end)
        lines = _whole_lines(handle, begin, whole_until)
        while some := list(islice(lines, LINES_AT_ONCE)):
            if not keeps_on():
                self.gathered.cut_short = True
                return
            self.gathered.take(self.reader.read_bare(some, True))
        if whole_until < end:
            rest = os.pread(handle, MAX_FLOW_BYTES, whole_until)
            self.gathered.take(self.reader.read_bare([rest], False))

    def holding(self) -> HalfHolding:
        """Tells what it holds, to compare it with the other half."""
        context = (each for each in self.reader.context() if isinstance(each, HubbleFlow))
        return HalfHolding(holding(self.gathered.own, context), holding(self.gathered.others))

    def fold(self, shared: HalfShared) -> None:
        """Sums up what the other half cannot change."""
        self.gathered.own.fold(shared.own.attempts)
        self.gathered.others.fold(shared.others.attempts)

    def handed_over(self) -> HalfRead:
        """Sums of the half, for the other process."""
        mine = self.gathered
        parts = part_of(mine.own), part_of(mine.others)
        return HalfRead(*parts, mine.statuses, mine.lost, self.reader.books(), mine.cut_short)

    def attempts(self) -> Iterator[HalfAttempts]:
        """Attempts that were left, for the other process."""
        own, others = left_of(self.gathered.own), left_of(self.gathered.others)
        while (some := HalfAttempts(list(islice(own, MOST_PAIRS)), list(islice(others, MOST_PAIRS)))) != DONE:
            yield some
        yield DONE

    def alone(self) -> Gathered:
        """Only this half, where nothing comes from the other."""
        self.gathered.cut_short = True
        self.gathered.take([*self.reader.context(), self.reader.close()])
        return self.gathered

    def joined(self, other: HalfRead, attempts: Iterable[HalfAttempts]) -> Gathered:
        """Joins both halves: this one and the second."""
        mine = self.gathered
        own, others = join(mine.own, other.own), join(mine.others, other.others)
        for some in attempts:
            join_attempts(mine.own, own, some.own)
            join_attempts(mine.others, others, some.others)
        mine.statuses += other.statuses
        mine.lost += other.lost
        mine.cut_short = mine.cut_short or other.cut_short
        self.reader.join(other.books)
        mine.take([*self.reader.context(), self.reader.close()])
        return mine


def shared_by(one: HalfHolding, other: HalfHolding) -> HalfShared | None:
    """Attempts of both halves; None where a flow is in both."""
    own, others = shared_connections(one.own, other.own), shared_connections(one.others, other.others)
    return HalfShared(own, others) if own and others else None


class _Stretch(io.RawIOBase):
    """Bytes between two places of an open file, whose own position, which the processes share, is not touched."""

    def __init__(self, handle: int, begin: int, end: int) -> None:
        self._handle, self._at, self._end = handle, begin, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._handle, [memoryview(buffer)[: self._end - self._at]], self._at)
        self._at += count
        return count


def _whole_lines(handle: int, begin: int, end: int) -> Iterator[bytes]:
    """Lines with their ends. In place of one that is as long as no flow is stands something that is none, either."""
    source = io.BufferedReader(_Stretch(handle, begin, end), CHUNK_BYTES)
    is_long = False
    while line := source.readline(MAX_FLOW_BYTES):
        if line.endswith(b"\n"):
            yield b"\0" if is_long else line
        is_long = not line.endswith(b"\n")


def _last_line_end(handle: int, begin: int, end: int) -> int:
    """The end of the last line that has one; a line as long as no flow is has none."""
    tail = os.pread(handle, min(MAX_FLOW_BYTES, end - begin), max(begin, end - MAX_FLOW_BYTES))
    return end - len(tail) + tail.rfind(b"\n") + 1


def send(handle: int, message: msgspec.Struct) -> None:
    """Writes a message to a pipe. Raises `OSError` where nobody reads it."""
    data = msgspec.msgpack.encode(message)
    left = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while left:
        left = left[os.write(handle, left) :]


def receive(read: Callable[[int], bytes], kind: type[Message]) -> Message:
    """Takes a message from a pipe. Raises `EOFError` or `msgspec.MsgspecError` where there is none."""
    length = int.from_bytes(_exactly(read, LENGTH_BYTES), "big")
    return msgspec.msgpack.decode(_exactly(read, length), type=kind)


def _exactly(read: Callable[[int], bytes], length: int) -> bytearray:
    data = bytearray()
    while len(data) < length:
        if not (more := read(length - len(data))):
            raise EOFError
        data += more
    return data


def main() -> None:
    """Runs the helper process: its orders come in at 0, and its half goes out at 1."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    gc.disable()  # what it reads refers to nothing in a circle

    def read(length: int) -> bytes:
        return os.read(0, length)

    task = receive(read, HalfTask)
    until = time.monotonic() + task.seconds
    half = Half(task.question, after=1)
    half.read(task.handle, task.begin, task.end, lambda: time.monotonic() < until)
    send(1, half.holding())
    half.fold(receive(read, HalfShared))
    send(1, half.handed_over())
    for some in half.attempts():
        send(1, some)
