"""Timeline of connections, seen and dropped, and the change before: the lower half of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.report.incident import FAILED, component_changes, connections, moment_of
from bot.report.svg import INK, PAPER, QUIET, RED, SEEN, YELLOW, rect, stroke, text, width_of
from flows.model import Diagnosis

ROWS = 3
"""Connections in the timeline; more would not be read on a telephone."""

HEAD, ROW, BAR, FOOT = 54, 74, 34, 40
"""Heights of the heading, of a connection, of its bar, and of the axis, in units of the picture."""


@dataclass(frozen=True, slots=True)
class ConnectionSpan:
    """Times at which one connection was seen and dropped."""

    name: str
    first: datetime
    last: datetime
    first_drop: datetime | None
    last_drop: datetime | None
    packets: int
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class ChangeMark:
    """A change of something that the verdict speaks of."""

    at: datetime
    name: str


def spans(it: Diagnosis) -> tuple[ConnectionSpan, ...]:
    """The connections with drops first, then the others, as far as they tell their times; at most `ROWS`."""
    found = [span for each in connections(it) if (span := _span(each)) is not None]
    return tuple(sorted(found, key=lambda span: (-span.packets, not span.outcome, span.first))[:ROWS])


def marks(it: Diagnosis) -> tuple[ChangeMark, ...]:
    """Changes of the component of the verdict."""
    name = it.component.name if it.component else ""
    return tuple(ChangeMark(each.at, f"{name} {each.kind}") for each in component_changes(it))[:2]


def _span(each: Mapping[str, Any]) -> ConnectionSpan | None:
    first, last = moment_of(each.get("first")), moment_of(each.get("last"))
    if first is None or last is None:
        return None
    packets, said = each.get("packets_dropped"), each.get("outcome")
    outcome = said if isinstance(said, str) and said in FAILED and said != "dropped" else ""
    drops = moment_of(each.get("first_drop")), moment_of(each.get("last_drop"))
    return ConnectionSpan(
        _peer(each), first, last, *drops, packets if isinstance(packets, int) and all(drops) else 0, outcome
    )


def _peer(each: Mapping[str, Any]) -> str:
    peer = each.get("destination")
    peer = peer if isinstance(peer, Mapping) else {}
    entities = peer.get("entities")
    entity = str(entities[0]) if isinstance(entities, list) and entities else ""
    name = peer.get("pod") or entity or peer.get("ip") or "?"
    return f"{name} {each.get('protocol') or ''} {each.get('port') or ''}".strip()


# -- drawn ------------------------------------------------------------------------------------------------------------


def height_of(rows: Sequence[ConnectionSpan], events: Sequence[ChangeMark]) -> int:
    """Units that the timeline takes."""
    return _head(rows, events) + ROW * len(rows) + FOOT if rows else 0


def _head(rows: Sequence[ConnectionSpan], events: Sequence[ChangeMark]) -> int:
    """Room for the words of a change, where one is shown."""
    return HEAD if any(_near(mark, rows) == mark.at for mark in events) else 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Moments as places between two edges; what lies outside stands at the edge."""

    first: datetime
    last: datetime
    left: float
    right: float

    def x(self, moment: datetime) -> float:
        length = max((self.last - self.first).total_seconds(), 1.0)
        share = (moment - self.first).total_seconds() / length
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)


def timeline(
    rows: Sequence[ConnectionSpan], events: Sequence[ChangeMark], top: float, left: float, right: float
) -> Iterator[str]:
    """The connections from `top` down, one below the other, on one scale of time."""
    begin = min((*(row.first for row in rows), *(_near(mark, rows) for mark in events)))
    scale = Scale(begin, max(row.last for row in rows), left, right)
    head = _head(rows, events)
    bottom = top + head + ROW * len(rows)
    shown = [mark for mark in events if scale.first <= mark.at <= scale.last]
    yield from _marks(shown, scale, top, bottom)
    for number, row in enumerate(rows):
        yield from _row(row, scale, top + head + ROW * number)
    yield stroke(f"M{left} {bottom} H{right}", QUIET, 2)
    yield text(left, bottom + 28, f"{scale.first:%H:%M:%S} UTC", 20, QUIET)
    yield text(right, bottom + 28, f"{scale.last:%H:%M:%S} UTC", 20, QUIET, anchor="end")


def _near(mark: ChangeMark, rows: Sequence[ConnectionSpan]) -> datetime:
    """A change shortly before belongs into the picture; one of last week would squeeze it into a line."""
    first, last = min(row.first for row in rows), max(row.last for row in rows)
    return mark.at if first - (last - first) <= mark.at <= last else first


def _marks(shown: Sequence[ChangeMark], scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for mark in shown:
        x = scale.x(mark.at)
        yield stroke(f"M{x} {top + 34} V{bottom}", INK, 2, dash="6 5")
    if shown:
        newest = max(shown, key=lambda mark: mark.at)
        late = scale.x(newest.at) > (scale.left + scale.right) / 2
        words = f"{newest.name} {newest.at:%H:%M:%S}"
        anchor = "end" if late else "start"
        yield text(scale.x(newest.at), top + 24, words, 20, weight=700, anchor=anchor, room=scale.right - scale.left)


def _row(row: ConnectionSpan, scale: Scale, y: float) -> Iterator[str]:
    yield text(scale.left, y + 20, row.name, 20, QUIET, room=scale.right - scale.left, halo=True)
    yield _bar(scale.x(row.first), scale.x(row.last), y + 28, YELLOW if row.outcome else SEEN)
    if row.packets and row.first_drop and row.last_drop:
        left, right = scale.x(row.first_drop), scale.x(row.last_drop)
        yield _bar(left, right, y + 28, RED)
        packets = "packet" if row.packets == 1 else "packets"
        yield _label(f"{row.packets:,} {packets} dropped", (left, right), scale, y + 52, (PAPER, RED))
    else:
        colours = (PAPER, YELLOW) if row.outcome else (INK, INK)
        yield _label(row.outcome or "no drop", (scale.x(row.first), scale.x(row.last)), scale, y + 52, colours)


def _label(words: str, bar: tuple[float, float], scale: Scale, y: float, colours: tuple[str, str]) -> str:
    """On the bar where there is room, else beside it, on the side that has some."""
    left, right = bar
    need = width_of(words, 20) + 20
    if right - left > need:
        return text(left + 10, y, words, 20, colours[0], weight=700)
    if right + need < scale.right:
        return text(right + 8, y, words, 20, colours[1], weight=700)
    return text(left - 8, y, words, 20, colours[1], weight=700, anchor="end")


def _bar(left: float, right: float, y: float, colour: str) -> str:
    return rect(left, y, max(right - left, 4), BAR, colour, radius=5)
