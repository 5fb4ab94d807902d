"""One half of a file of hubble flows, gathered; and the program of the process that reads the second half.

The two processes talk in messages (`send`, `receive`): what is to be read; what the second half holds, by name; which
attempts both halves have seen; the second half. Both run the same code, so the messages have no version. They are
pickled, for sets of nodes are numbers with a bit for each node, and msgpack ends at 64.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeVar

import msgspec

from sensors.hubble.attempt import Attempt, AttemptKey
from sensors.hubble.gathered import Gathered
from sensors.hubble.joining import Holding, Part, Shared, holding, join, join_attempts, part_of
from sensors.hubble.joining import shared_by as shared_connections
from sensors.hubble.line_reader import LineReader, ReaderBooks
from sensors.hubble.lines import lines_of
from sensors.hubble.question import FlowQuestion
from sensors.hubble.records import HubbleFlow, LostEvents, NodeStatus

LENGTH_BYTES = 4
CHUNK_BYTES = 1 << 18
MOST_ATTEMPTS = 2000  # in one message

Message = TypeVar("Message", bound=msgspec.Struct)


class BadMessage(Exception):
    """No message of this program."""


class HalfTask(msgspec.Struct):
    """Order to read: the bytes of an open file, for so many seconds at most."""

    handle: int
    begin: int
    end: int
    question: FlowQuestion
    seconds: float


class HalfHolding(msgspec.Struct):
    """Holding of a half: marks of its flows and attempts."""

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
    spans: dict[str, tuple[datetime, datetime]]
    books: ReaderBooks
    cut_short: bool


class HalfAttempts(msgspec.Struct):
    """Some of the attempts that are handed over as they are; the last message of this kind holds none."""

    own: list[tuple[AttemptKey, Attempt]]
    others: list[tuple[AttemptKey, Attempt]]


class Half:
    """Gathers one half of a file. `after` is the number of lines that stand before it, as far as it is known."""

    def __init__(self, question: FlowQuestion, after: int = 0) -> None:
        self.gathered = Gathered(question)
        self.reader = LineReader(question, after)

    def read(self, handle: int, begin: int, end: int, keeps_on: Callable[[], bool]) -> None:
        """Reads the lines between two places of an open file, as long as `keeps_on` says so."""
        for lines, is_whole in lines_of(_chunks(handle, begin, end)):
            if not keeps_on():
                self.gathered.cut_short = True
                return
            self.gathered.take(self.reader.read(lines, is_whole))

    def holding(self) -> HalfHolding:
        """Marks of what it holds, to compare it with the other half."""
        context = (each for each in self.reader.context() if isinstance(each, HubbleFlow))
        return HalfHolding(holding(self.gathered.own, context), holding(self.gathered.others))

    def fold(self, held: HalfHolding, shared: HalfShared) -> None:
        """Sums up what the other half cannot change."""
        own, others = self.gathered.own, self.gathered.others
        own.fold(shared.own.among(own.attempts, held.own.attempts))
        others.fold(shared.others.among(others.attempts, held.others.attempts))

    def handed_over(self) -> HalfRead:
        """Sums of the half, for the other process."""
        mine = self.gathered
        parts = part_of(mine.own), part_of(mine.others)
        return HalfRead(*parts, mine.statuses, mine.lost, mine.spans, self.reader.books(), mine.cut_short)

    def attempts(self) -> Iterator[HalfAttempts]:
        """Attempts that were left, for the other process."""
        own, others = self.gathered.own.attempts.items(), self.gathered.others.attempts.items()
        yield from (HalfAttempts(some, []) for some in _some(own))
        yield from (HalfAttempts([], some) for some in _some(others))
        yield HalfAttempts([], [])

    def alone(self) -> Gathered:
        """Only this half, where nothing comes from the other."""
        self.gathered.cut_short = True
        self.gathered.take([*self.reader.context(), self.reader.close()])
        return self.gathered

    def joined(self, other: HalfRead, attempts: Iterable[HalfAttempts]) -> Gathered:
        """Joins both halves: this one and the second."""
        mine = self.gathered
        join(mine.own, other.own)
        join(mine.others, other.others)
        for some in attempts:
            join_attempts(mine.own, other.own, some.own)
            join_attempts(mine.others, other.others, some.others)
        mine.statuses += other.statuses
        mine.lost += other.lost
        mine.cut_short = mine.cut_short or other.cut_short
        for node, (first, last) in other.spans.items():
            mine.widen(node, first, last)
        self.reader.join(other.books)
        mine.take([*self.reader.context(), self.reader.close()])
        return mine


def shared_by(one: HalfHolding, other: HalfHolding) -> HalfShared | None:
    """Attempts of both halves; None where a flow is in both."""
    own, others = shared_connections(one.own, other.own), shared_connections(one.others, other.others)
    return HalfShared(own, others) if own and others else None


def _some(attempts: Iterable[tuple[AttemptKey, Attempt]]) -> Iterator[list[tuple[AttemptKey, Attempt]]]:
    left = iter(attempts)
    while some := list(islice(left, MOST_ATTEMPTS)):
        yield some


def _chunks(handle: int, begin: int, end: int) -> Iterator[bytes]:
    """The bytes between two places of an open file. Its own position, which the processes share, is not touched."""
    while begin < end and (chunk := os.pread(handle, min(CHUNK_BYTES, end - begin), begin)):
        begin += len(chunk)
        yield chunk


def send(handle: int, message: msgspec.Struct) -> None:
    """Writes a message to a pipe. Raises `OSError` where nobody reads it."""
    data = pickle.dumps(message, 5)
    left = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while left:
        left = left[os.write(handle, left) :]


def receive(read: Callable[[int], bytes], kind: type[Message]) -> Message:
    """Takes a message from a pipe, whose other end is a process of ours. Raises `EOFError` or `BadMessage`."""
    length = int.from_bytes(_exactly(read, LENGTH_BYTES), "big")
    try:
        message = pickle.loads(_exactly(read, length))  # noqa: S301 - from this program, started by this process
    except EOFError:
        raise
    except Exception as why:
        raise BadMessage(kind.__name__) from why
    if not isinstance(message, kind):
        raise BadMessage(f"{type(message).__name__} instead of {kind.__name__}")
    return message


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

    def read(length: int) -> bytes:
        return os.read(0, length)

    task = receive(read, HalfTask)
    until = time.monotonic() + task.seconds
    half = Half(task.question, after=1)
    half.read(task.handle, task.begin, task.end, lambda: time.monotonic() < until)
    held = half.holding()
    send(1, held)
    half.fold(held, receive(read, HalfShared))
    send(1, half.handed_over())
    for some in half.attempts():
        send(1, some)
