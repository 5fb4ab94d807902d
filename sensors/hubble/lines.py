"""Reads recorded hubble flows: any form Hubble writes, plain or gzip, whole or broken off, in bounded memory.

Accepted lines: `hubble observe -o jsonpb` (a GetFlowsResponse), a bare flow, exporter lines (field-masked, without
uuid), lowerCamelCase spellings, GetNodes answers, GKE's policy action log. The same as one JSON array (`jq -s`), laid
out over several lines (`jq .`) or in UTF-16 (PowerShell's `>`) is read, too. What cannot be read is counted and
reported, never silently skipped.
"""

from __future__ import annotations

import asyncio
import codecs
import heapq
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sensors.hubble.decoding import read_line
from sensors.hubble.records import (
    BAD_VERDICTS,
    DatapathPolicy,
    Dns,
    FlowEndpoint,
    FlowReading,
    Horizon,
    Http,
    HubbleFlow,
    HubbleMessage,
    LostEvents,
    NodeStatus,
    Workload,
)
from sensors.hubble.wire import FlowLine, WireFlow, is_bad, messages

__all__ = [
    "BAD_VERDICTS",
    "DatapathPolicy",
    "Dns",
    "FlowEndpoint",
    "FlowQuestion",
    "FlowReading",
    "Horizon",
    "Http",
    "HubbleFlow",
    "HubbleMessage",
    "LostEvents",
    "NodeStatus",
    "UnreadableFlows",
    "Workload",
    "read_flow_lines",
]

CHUNK = 1 << 20
BATCH_LINES = 512
MAX_FLOW_BYTES = 4 << 20  # a hubble flow is about 1.5 kB; what is longer is not one
LONGEST_DOCUMENT = 64 << 20  # of flows that are no lines, which have to be held at once
MAX_UNPACKED_BYTES = 512 << 20  # unpacked: a small archive may hold far more than any recording does
MAX_GARBAGE_LINES = 2000  # lines of garbage, and not one understood: not a file of flows
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
COMPACT_TEXT = re.compile(rb"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d\.\d+.*(?:->|<>|<-)")  # hubble's default
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class UnreadableFlows(ValueError):
    """Nothing in the source could be understood as hubble flows. The message is one line and names the line."""


@dataclass(frozen=True, slots=True)
class FlowQuestion:
    """Hubble flows to bring: all drops of one pod as far back as anyone remembers, and its recent context.

    The two are asked apart because a limit counts matching flows: one "last 1000" would throw old drops away.

    namespace, pod   exact names (a server's own filter matches prefixes: filter again). Without a pod every pod of the
                     namespace, without both every pod.
    addresses        the pod's own, for flows that do not name it (a peer node that had not heard of it yet).
    ports            for a pod on the host network, whose address is its node's: only flows that touch these ports.
    last             context only: the newest so many *per node*; 0 = all. Bad verdicts of the pod are never cut.
    others           also bring the bad verdicts of other pods.
    context          False: the pod's bad verdicts alone, for a quick look.
    listen           False: only what nodes remember, nothing of what happens from now on.
    enough           set when what the look itself causes is over: listening ends soon after, rather than at its limit.
    """

    namespace: str = ""
    pod: str = ""
    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    last: int = 1000
    since: datetime | None = None
    until: datetime | None = None
    others: bool = True
    context: bool = True
    listen: bool = True
    enough: asyncio.Event | None = field(default=None, compare=False, repr=False)

    def is_about(self, flow: HubbleFlow) -> bool:
        """Checks whether the asked pod (or a pod of the asked namespace) is one of the two sides."""
        if not self.pod:
            return self.is_of_namespace(flow.source.namespace, flow.destination.namespace)
        return self.is_side(flow, flow.source) or self.is_side(flow, flow.destination)

    def is_of_namespace(self, *namespaces: str) -> bool:
        """Checks whether one of these is the asked namespace; any will do where none was asked for."""
        return not self.namespace or self.namespace in namespaces

    def is_side(self, flow: HubbleFlow, side: FlowEndpoint) -> bool:
        """True if `side` of the flow is the asked pod, by its exact name or, where Hubble names none, by address."""
        return self.names(side.namespace, side.pod, side.ip, flow.source.port, flow.destination.port)

    def names(self, namespace: str, pod: str, ip: str, *ports: int) -> bool:
        if pod:
            return pod == self.pod and namespace == self.namespace
        return ip in self.addresses and (not self.ports or any(port in self.ports for port in ports))

    def in_time(self, flow: HubbleFlow) -> bool:
        """Checks whether a flow lies in the asked window."""
        return self.in_window(flow.time)

    def in_window(self, when: datetime | None) -> bool:
        """Checks whether a moment lies in the asked window; what has no time cannot be shown to lie outside."""
        if when is None:
            return True
        return (self.since is None or when >= self.since) and (self.until is None or when <= self.until)


def read_flow_lines(source: Path | str | BinaryIO, question: FlowQuestion) -> Iterator[list[HubbleMessage]]:
    """Hubble messages of a file or binary stream, in bounded batches; the last message is a `FlowReading`.

    Plain or gzip, any form of line (see the module). What cannot be read is counted, never silently skipped; a source
    that breaks off is read up to the break. An empty source is a reading of no flows.

    Raises `UnreadableFlows` when the source is not empty and nothing in it can be understood, `OSError` as open does.
    """
    if isinstance(source, str | Path):
        with open(source, "rb") as stream:
            yield from _read_stream(stream, question)
    else:
        yield from _read_stream(source, question)


def _read_stream(stream: BinaryIO, question: FlowQuestion) -> Iterator[list[HubbleMessage]]:
    reader = _LineReader(question)
    batch: list[HubbleMessage] = []
    for line, is_whole in _texts(_limited(_in_utf8(_inflated(_chunks(stream))))):
        batch += reader.read(line, is_whole)
        if len(batch) >= BATCH_LINES:
            yield batch
            batch = []
    batch += reader.context()
    yield [*batch, reader.close()]


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


class _BrokeOff(Exception):
    """The compressed source ended, or went wrong, before its end."""


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, unpacked if they are gzip (one member or many). Raises `_BrokeOff` where the archive breaks."""
    head = next(chunks, b"")
    if not head.startswith(GZIP):
        yield head
        yield from chunks
        return
    while head.startswith(GZIP):
        gzip = zlib.decompressobj(wbits=31)
        yield from _member(gzip, head, chunks)
        head = gzip.unused_data or next(chunks, b"")


def _member(gzip: Any, head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        while head and not gzip.eof:
            yield gzip.decompress(head, CHUNK)  # bounded: a small archive may hold a very large file
            head = gzip.unconsumed_tail or (b"" if gzip.eof else next(chunks, b""))
        yield gzip.flush()
    except zlib.error:
        raise _BrokeOff from None
    if not gzip.eof:
        raise _BrokeOff


def _in_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same text as UTF-8, which it is already unless a mark at its beginning says UTF-16."""
    head = next(chunks, b"")
    if not head.startswith(UTF16_BOMS):
        yield head
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    yield decoder.decode(head).encode("utf-8", "replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes. Raises `UnreadableFlows` where they are more than any recording holds."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_UNPACKED_BYTES:
            raise UnreadableFlows(
                f"more than {MAX_UNPACKED_BYTES >> 20} MiB of hubble flows; record fewer (--last, --since)"
            )
        yield chunk


def _texts(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The JSON texts of a source, each with whether its end was there: one in a line, or documents of several lines."""
    try:
        head = next(chunks, b"")
    except _BrokeOff:
        yield b"", False
        return
    rest = itertools.chain((head,), chunks)
    first = head.removeprefix(BOM).lstrip()
    is_laid_out = first.startswith(b"[") or first.partition(b"\n")[0].strip() == b"{"
    yield from _documents(rest) if is_laid_out else _lines(rest)


def _documents(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The objects of an array, or objects one after the other, each as one line."""
    text, is_whole = _joined(chunks)
    decoder, at = json.JSONDecoder(), 0
    while (found := _NEXT_VALUE.match(text, at)) and found.end() < len(text):
        try:
            value, at = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            yield text[found.end() : found.end() + 1].encode("utf-8", "replace"), False
            return
        yield msgspec.json.encode(value), True
    if not is_whole:
        yield b"", False


def _joined(chunks: Iterator[bytes]) -> tuple[str, bool]:
    """All of the text, and whether its end was there. Raises `UnreadableFlows` where it is too long to hold."""
    data = bytearray()
    try:
        for chunk in chunks:
            data += chunk
            if len(data) > LONGEST_DOCUMENT:
                raise UnreadableFlows(
                    "one JSON document of more than 64 MiB; hubble writes a flow in each line (-o jsonpb)"
                )
    except _BrokeOff:
        return data.removeprefix(BOM).decode("utf-8", "replace"), False
    return data.removeprefix(BOM).decode("utf-8", "replace"), True


_NEXT_VALUE = re.compile(r"[\s,\[\]]*")


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, each with whether its end was there."""
    carry = b""
    try:
        for chunk in chunks:
            *lines, carry = (carry + chunk).split(b"\n")
            for each in lines:
                yield each, True
            if len(carry) > MAX_FLOW_BYTES:
                carry = b"\0"  # not a hubble flow, whatever follows: forget it, and let it count as garbage
    except _BrokeOff:
        yield carry, False
        return
    if carry:
        yield carry, False


class _LineReader:
    """Keeps what the question asks for, and the books on the rest."""

    def __init__(self, question: FlowQuestion) -> None:
        self.question = question
        self.lines = self.flows = self.understood = self.garbage = self.first_garbage = self.other = 0
        self.truncated = self.is_compact_text = False
        self.spans: dict[str, list[datetime]] = {}
        self.newest: dict[str, list[tuple[datetime, int, FlowLine]]] = {}

    def read(self, line: bytes, is_whole: bool) -> list[HubbleMessage]:
        """Messages that one line brings at once; context is kept back until `context`."""
        self.lines += 1
        if is_whole and (not line or line.isspace()):
            return []
        read = read_line(line if self.lines > 1 else line.removeprefix(BOM))
        if read is None:
            self.is_compact_text = self.is_compact_text or COMPACT_TEXT.match(line.removeprefix(BOM)) is not None
            self._cannot_read(is_whole)
            return []
        if read.flow is not None:
            self.understood += 1
            return self._take(read, read.flow)
        told = messages(read)
        self.understood += bool(told)
        self.other += not told
        return told

    def _cannot_read(self, is_whole: bool) -> None:
        if not is_whole:
            self.truncated = True
            return
        self.garbage += 1
        self.first_garbage = self.first_garbage or self.lines
        if not self.understood and self.garbage >= MAX_GARBAGE_LINES:
            raise self._unreadable()

    def _take(self, line: FlowLine, flow: WireFlow) -> list[HubbleMessage]:
        self.flows += 1
        ask, when, node = self.question, flow.time or line.time, flow.node_name or line.node_name
        if when is not None:
            self._widen(node, when)
        if not ask.in_window(when):
            return []
        bad = is_bad(flow)
        if not self._is_about(flow):
            return messages(line) if bad and ask.others else []
        if bad or ask.last == 0:
            return messages(line) if bad or ask.context else []
        if ask.context:
            self._remember(node, when or LONG_AGO, line)
        return []

    def _is_about(self, flow: WireFlow) -> bool:
        """As `FlowQuestion.is_about`, before the trouble of making a record."""
        ask, (one, other), ip = self.question, flow.sides, flow.IP
        if not ask.pod:
            return ask.is_of_namespace(one.namespace, other.namespace)
        has_names = one.pod_name and other.pod_name
        if (has_names or not ask.addresses) and ask.pod not in (one.pod_name, other.pod_name):
            return False
        ports = [each for l4 in flow.l4.values() for each in (l4.source_port, l4.destination_port)]
        return ask.names(one.namespace, one.pod_name, ip.source, *ports) or ask.names(
            other.namespace, other.pod_name, ip.destination, *ports
        )

    def _widen(self, node: str, when: datetime) -> None:
        span = self.spans.get(node)
        if span is None:
            self.spans[node] = [when, when]
        elif when > span[1]:
            span[1] = when
        elif when < span[0]:
            span[0] = when

    def _remember(self, node: str, when: datetime, line: FlowLine) -> None:
        """The newest so many per node, whatever order the lines come in."""
        newest = self.newest.setdefault(node, [])
        entry = (when, self.lines, line)
        if len(newest) < self.question.last:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)

    def context(self) -> list[HubbleMessage]:
        kept = [entry for newest in self.newest.values() for entry in newest]
        return [message for entry in sorted(kept, key=_when) for message in messages(entry[2])]

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


def _when(entry: tuple[datetime, int, FlowLine]) -> tuple[datetime, int]:
    return entry[0], entry[1]
