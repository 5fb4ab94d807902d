"""Reads lines of hubble flows: keeps what a question asks for, and the books on the rest."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from sensors.hubble.decoding import read_line
from sensors.hubble.moments import Spans, widen
from sensors.hubble.question import FlowQuestion
from sensors.hubble.records import FlowReading, Horizon, HubbleMessage
from sensors.hubble.wire import FlowLine, WireFlow, is_bad, messages, record

BOM = b"\xef\xbb\xbf"
MAX_GARBAGE_LINES = 2000  # lines of garbage, and not one understood: not a file of flows
COMPACT_TEXT = re.compile(rb"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d\.\d+.*(?:->|<>|<-)")  # hubble's default
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class UnreadableFlows(ValueError):
    """Nothing in the source could be understood as hubble flows. The message is one line and names the line."""


class ReaderBooks(msgspec.Struct):
    """Books of a reader: its counts and what it keeps back, for the reader of the lines before."""

    counts: dict[str, int]
    first_garbage: int
    truncated: bool
    spans: Spans
    newest: dict[str, list[tuple[datetime, int, bytes]]]


COUNTED = ("lines", "flows", "understood", "garbage", "other")


class LineReader:
    """Keeps what the question asks for, and the books on the rest. `after` lines stand before those that it reads."""

    def __init__(self, question: FlowQuestion, after: int = 0) -> None:
        self.question = question
        self.lines = self.after = after
        self.flows = self.understood = self.garbage = self.first_garbage = self.other = 0
        self.truncated = self.is_compact_text = False
        self.spans: Spans = {}
        self.newest: dict[str, list[tuple[datetime, int, bytes]]] = {}

    def read(self, lines: Iterable[bytes], is_whole: bool) -> list[HubbleMessage]:
        """Messages that lines bring at once; context is kept back until `context`."""
        return [record(each) if isinstance(each, WireFlow) else each for each in self.read_bare(lines, is_whole)]

    def read_bare(self, lines: Iterable[bytes], is_whole: bool) -> list[HubbleMessage | WireFlow]:
        """As `read`, with flows as they are written, for who makes no use of their records."""
        told: list[HubbleMessage | WireFlow] = []
        for line in lines:
            self.lines += 1
            read = read_line(line) if self.lines > 1 else self._read_first(line)
            if read is None:
                self._cannot_read(line, is_whole)
            elif read.flow is None:
                self._tell(messages(read), told)
            elif self._is_asked(read, read.flow, line):
                told.append(read.flow)
        return told

    def _read_first(self, line: bytes) -> FlowLine | None:
        return read_line(line.removeprefix(BOM))

    def _tell(self, found: list[HubbleMessage], told: list[HubbleMessage | WireFlow]) -> None:
        self.understood += bool(found)
        self.other += not found
        told += found

    def _cannot_read(self, line: bytes, is_whole: bool) -> None:
        if is_whole and (not line or line.isspace()):
            return
        self.is_compact_text = self.is_compact_text or COMPACT_TEXT.match(line.removeprefix(BOM)) is not None
        if not is_whole:
            self.truncated = True
            return
        self.garbage += 1
        self.first_garbage = self.first_garbage or self.lines
        if not self.understood and self.garbage >= MAX_GARBAGE_LINES:
            raise self._unreadable()

    def _is_asked(self, line: FlowLine, flow: WireFlow, text: bytes) -> bool:
        """Checks whether a flow is told at once; one that may be context is remembered."""
        self.understood += 1
        self.flows += 1
        if flow.time is None or not flow.node_name:
            flow.time, flow.node_name = flow.time or line.time, flow.node_name or line.node_name
        ask, when = self.question, flow.time
        if when is not None:
            widen(self.spans, flow.node_name, when)
            if (ask.since or ask.until) and not ask.in_window(when):
                return False
        flow.is_own = self._is_about(flow)
        if not flow.is_own:
            return ask.others and is_bad(flow)
        if ask.context and ask.last == 0:
            return True
        if is_bad(flow) or not ask.context:
            return is_bad(flow)
        self.remember(flow.node_name, when or LONG_AGO, self.lines, text)
        return False

    def _is_about(self, flow: WireFlow) -> bool:
        """As `FlowQuestion.is_about`, before the trouble of making a record."""
        ask, (one, other) = self.question, flow.ends
        if not ask.pod:
            return not ask.namespace or ask.is_of_namespace(one.namespace, other.namespace)
        has_names = one.pod and other.pod
        if (has_names or not ask.addresses) and ask.pod not in (one.pod, other.pod):
            return False
        ports = [each for l4 in flow.l4.values() for each in (l4.source_port, l4.destination_port)]
        return any(ask.names(each.namespace, each.pod, each.ip, *ports) for each in (one, other))

    def remember(self, node: str, when: datetime, number: int, text: bytes) -> None:
        """The newest so many per node, whatever order the lines come in."""
        newest = self.newest.setdefault(node, [])
        entry = (when, number, text)
        if len(newest) < self.question.last:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)

    def context(self) -> list[HubbleMessage]:
        kept = sorted(entry for newest in self.newest.values() for entry in newest)
        read = (read_line(text.removeprefix(BOM)) for _, _, text in kept)
        return [message for line in read if line is not None for message in messages(line)]

    def books(self) -> ReaderBooks:
        """Counts so far, with lines numbered from the first that it read."""
        counts = {each: getattr(self, each) for each in COUNTED}
        newest = {
            node: [(when, number - self.after, text) for when, number, text in entries]
            for node, entries in self.newest.items()
        }
        first_garbage = self.first_garbage and self.first_garbage - self.after
        return ReaderBooks(
            {**counts, "lines": self.lines - self.after}, first_garbage, self.truncated, self.spans, newest
        )

    def join(self, later: ReaderBooks) -> None:
        """Adds the books on the lines that follow."""
        if later.first_garbage and not self.first_garbage:
            self.first_garbage = self.lines + later.first_garbage
        for node, entries in later.newest.items():
            for when, number, text in entries:
                self.remember(node, when, self.lines + number, text)
        for node, span in later.spans.items():
            for when in span:
                widen(self.spans, node, when)
        self.truncated = self.truncated or later.truncated
        for name, count in later.counts.items():
            setattr(self, name, getattr(self, name) + count)

    def close(self) -> FlowReading:
        if not self.understood and (self.garbage or self.other or self.truncated):
            raise self._unreadable()
        horizons = tuple(Horizon(node, *span) for node, span in sorted(self.spans.items()))
        return FlowReading(self.flows, self.garbage, self.first_garbage, self.other, self.truncated, horizons)

    def _unreadable(self) -> UnreadableFlows:
        if self.is_compact_text:
            return UnreadableFlows(
                "hubble's compact text leaves out addresses and the year; "
                "record it again with `hubble observe … -o jsonpb`"
            )
        return UnreadableFlows(
            f"line {self.first_garbage or 1} is not a hubble flow, nor is any other; "
            "expected JSON lines as `hubble observe -o jsonpb` writes them"
        )
