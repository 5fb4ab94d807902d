"""Reads a node's kernel log (dmesg) for what bears on connections: full tables, bad checksums, refused TCP segments.

Pure. Sources of the wording: net/netfilter/nf_conntrack_core.c, net/ipv4/udp.c ("UDP: bad checksum. From …"),
net/netfilter/nf_conntrack_proto.c ("nf_ct_proto_6: …", written only where nf_conntrack_log_invalid is on).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sensors.kit.app_log import log_time
from sensors.kit.model import Blind
from sensors.kit.objects import one_line

COMPLAINT = re.compile(r"\s*(dmesg|kubectl|sh|bash|sudo): ")
"""A tool that could not read the log says so where the log should be."""


@dataclass(frozen=True, slots=True)
class FullTable:
    """The kernel's own words that its table was full and packets were dropped, from one node's log.

    `netns` are the network namespaces named in the lines (newer kernels): nodes that share one kernel show each other's
    lines, and only the namespace tells them apart. `suppressed` counts messages the kernel says it left out; times
    are None where the log has no wall clock.
    """

    lines: int
    first: datetime | None = None
    newest: datetime | None = None
    netns: tuple[str, ...] = ()
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class BadChecksums:
    """UDP packets that arrived at this node with a wrong checksum and were thrown away, by sender and port.

    Towards a tunnel's port each of them carried a packet of a pod. `newest` is None where the log has no wall clock.
    """

    sender: str
    receiver: str
    port: int
    lines: int
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class InvalidSegments:
    """TCP segments between two ends that the connection tracker took for invalid, in its own words (`why`)."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    lines: int
    why: str
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class KernelLog:
    """Connection trouble in one node's kernel log."""

    full: FullTable
    bad_checksums: tuple[BadChecksums, ...] = ()
    invalid: tuple[InvalidSegments, ...] = ()


def parse_log(said: str) -> KernelLog:
    """One node's dmesg. Raises `Blind` on a tool's complaint."""
    if COMPLAINT.match(said):
        raise Blind(f"the kernel log could not be read: {one_line(said, 120)}")
    lines = said.splitlines()
    return KernelLog(_full(lines), _checksums(lines), _invalid(lines))


# -- a table that was full ---------------------------------------------------------------------------------------------

FULL = re.compile(r"conntrack: table full(?: in netns (?P<netns>\d+))?", re.IGNORECASE)
SUPPRESSED = re.compile(r"(\d+) callbacks suppressed")


def _full(lines: list[str]) -> FullTable:
    full = [(line, found) for line in lines if (found := FULL.search(line))]
    times = sorted(time for line, _ in full if (time := log_time(line)))
    return FullTable(
        lines=len(full),
        first=times[0] if times else None,
        newest=times[-1] if times else None,
        netns=tuple(sorted({found["netns"] for _, found in full if found["netns"]})),
        suppressed=_left_unsaid(lines),
    )


def _left_unsaid(lines: list[str]) -> int:
    """Messages suppressed by rate limiting right before a line "table full"; other messages share the limit."""
    pairs = itertools.pairwise(lines)
    return sum(int(found[1]) for line, after in pairs if FULL.search(after) and (found := SUPPRESSED.search(line)))


# -- packets that were thrown away -------------------------------------------------------------------------------------

CHECKSUM = re.compile(r"UDP: bad checksum\. From (?P<sender>[\d.]+):\d+ to (?P<receiver>[\d.]+):(?P<port>\d+) ulen \d+")
INVALID = re.compile(
    r"nf_ct_proto_6: (?P<why>[^=]{1,120}?) (?:IN=\S* OUT=\S* )?(?:MAC=\S* )?SRC=(?P<source>\S+) "
    r"DST=(?P<destination>\S+) .{0,300}?PROTO=TCP SPT=(?P<source_port>\d+) DPT=(?P<destination_port>\d+)"
)
MOST_ROWS = 20


def _checksums(lines: list[str]) -> tuple[BadChecksums, ...]:
    rows = _counted(lines, CHECKSUM, ("sender", "receiver", "port"))
    return tuple(
        BadChecksums(row["sender"], row["receiver"], int(row["port"]), count, time) for row, count, time in rows
    )


def _invalid(lines: list[str]) -> tuple[InvalidSegments, ...]:
    rows = _counted(lines, INVALID, ("source", "source_port", "destination", "destination_port"))
    return tuple(
        InvalidSegments(
            source=row["source"],
            source_port=int(row["source_port"]),
            destination=row["destination"],
            destination_port=int(row["destination_port"]),
            lines=count,
            why=one_line(row["why"], 120),
            newest=time,
        )
        for row, count, time in rows
    )


Row = tuple[re.Match[str], int, datetime | None]


def _counted(lines: Iterable[str], pattern: re.Pattern[str], by: tuple[str, ...]) -> list[Row]:
    """Matching lines folded by some of their groups: the newest of each, how many, and when; most frequent first."""
    found: dict[tuple[str, ...], Row] = {}
    for line in lines:
        if match := pattern.search(line):
            key = tuple(match[each] for each in by)
            found[key] = (match, found[key][1] + 1 if key in found else 1, log_time(line))
    return sorted(found.values(), key=lambda row: -row[1])[:MOST_ROWS]
