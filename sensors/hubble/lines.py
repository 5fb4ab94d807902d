"""Reads recorded hubble flows: any form Hubble writes, plain or gzip, whole or broken off, in bounded memory.

Accepted lines: `hubble observe -o jsonpb` (a GetFlowsResponse), a bare flow, exporter lines (field-masked, without
uuid), lowerCamelCase spellings, GetNodes answers, GKE's policy action log. The same as one JSON array (`jq -s`), laid
out over several lines (`jq .`) or in UTF-16 (PowerShell's `>`) is read, too. What cannot be read is counted and
reported, never silently skipped.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sensors.hubble.line_reader import BOM, LineReader, UnreadableFlows
from sensors.hubble.question import FlowQuestion
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
GZIP = b"\x1f\x8b"
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
    reader = LineReader(question)
    for lines, is_whole in _texts(_limited(_in_utf8(_inflated(_chunks(stream))))):
        if batch := reader.read(lines, is_whole):
            yield batch
    yield [*reader.context(), reader.close()]


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


def _texts(chunks: Iterator[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """The JSON texts of a source, some at once, with whether their end was there: lines, or documents of several."""
    try:
        head = next(chunks, b"")
    except _BrokeOff:
        yield [b""], False
        return
    rest = itertools.chain((head,), chunks)
    yield from _documents(rest) if _is_laid_out(head) else lines_of(rest)


def _is_laid_out(head: bytes) -> bool:
    """Checks whether a source that begins so holds an array, or documents of several lines each."""
    first = head.removeprefix(BOM).lstrip()
    return first.startswith(b"[") or first.partition(b"\n")[0].strip() == b"{"


def is_plain(head: bytes) -> bool:
    """Checks whether a source that begins so is text with a flow in each line, which may be read from any line on."""
    return not (head.startswith((GZIP, *UTF16_BOMS)) or _is_laid_out(head))


def _documents(chunks: Iterator[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """The objects of an array, or objects one after the other, each as one line."""
    text, is_whole = _joined(chunks)
    decoder, at = json.JSONDecoder(), 0
    while (found := _NEXT_VALUE.match(text, at)) and found.end() < len(text):
        try:
            value, at = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            yield [text[found.end() : found.end() + 1].encode("utf-8", "replace")], False
            return
        yield [msgspec.json.encode(value)], True
    if not is_whole:
        yield [b""], False


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


def lines_of(chunks: Iterator[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """Lines without their ends, some at once, with whether their end was there."""
    carry = b""
    try:
        for chunk in chunks:
            *lines, carry = (carry + chunk).split(b"\n")
            for at in range(0, len(lines), BATCH_LINES):
                yield lines[at : at + BATCH_LINES], True
            if len(carry) > MAX_FLOW_BYTES:
                carry = b"\0"  # not a hubble flow, whatever follows: forget it, and let it count as garbage
    except _BrokeOff:
        yield [carry], False
        return
    if carry:
        yield [carry], False
