"""The way of the packets and where it breaks, and when they were dropped: one picture for those who would rather look.

`draw` makes SVG of a diagnosis (pure), `alt` says the same in words, `png` has it turned into pixels with resvg and
Inter, a font; both are wheels: no system package and no font of the machine is used. A thread shows it at half its
size and a telephone at less: two rows, few hops, large type.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from bot.report import pixels
from bot.report.hops import DNS, Hop, HopState, breaking_hop, hops
from bot.report.sanitize import clean
from bot.report.short_answer import VerdictStatus, state_of, status_of, subject
from bot.report.svg import EDGE, GREEN, INK, PAPER, QUIET, RED, YELLOW, fitted, rect, stroke, text, width_of
from bot.report.timeline import ConnectionSpan, height_of, marks, spans, timeline
from flows.model import Diagnosis
from sensors.kit.objects import one_line

WIDTH, SIDE, PEER_ROOM = 720, 24, 330
A_ROW = 3
"""Hops in a row."""

BOX, BOX_HEIGHT, GAP, TOP = 200, 116, 36, 104
RED_STATES = (HopState.BREAKS, HopState.SPOILS, HopState.FAILS)
FILL = {**dict.fromkeys(RED_STATES, "#fbe4e4"), HopState.PASSES: "#e6f4ea", HopState.UNDECIDED: "#fff6dc"}
LINE = {**dict.fromkeys(RED_STATES, RED), HopState.PASSES: GREEN, HopState.UNDECIDED: YELLOW}
FAINT = "#f4f4f5"
PNG = b"\x89PNG\r\n\x1a\n"

WITHIN_S = 20.0
"""Seconds for one picture: it takes half a second on a machine that has nothing else to do."""


class CannotDraw(Exception):
    """There is no picture; what it would show is said in words. The message is one line."""


def alt(it: Diagnosis) -> str:
    """The picture in words, for those who cannot see it; at most 1,000 characters."""
    where = breaking_hop(it)
    way = "; ".join(f"{each.title}: {each.sign[2:]}" for each in hops(it))
    dropped = [each for each in spans(it) if each.packets]
    told = (f"{each.packets:,} packets to {each.name} dropped {_clock(each)}" for each in dropped)
    breaks = f"The way of the packets breaks at: {where}. " if where else ""
    return clean(f"{breaks}Way of {it.target}: {way}. {'; '.join(told)}", 1000)


def _clock(span: ConnectionSpan) -> str:
    if span.first_drop is None or span.last_drop is None:
        return ""
    return f"from {span.first_drop:%H:%M:%S} to {span.last_drop:%H:%M:%S} UTC"


def draw(it: Diagnosis) -> str:
    """The picture as SVG. Every word is escaped; nothing in it links or loads anything."""
    way, rows, events = hops(it), spans(it), marks(it)
    below = TOP + _rows(way) * (BOX_HEIGHT + GAP)
    height = below + height_of(rows, events) + SIDE // 2
    lines = timeline(rows, events, below, SIDE, WIDTH - SIDE) if rows else ()
    parts = (*_title(it), *_way(way), *lines)
    paper = rect(1, 1, WIDTH - 2, height - 2, PAPER, edge=EDGE, thick=2, radius=14)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Inter">{paper}{"".join(parts)}</svg>'


def png(svg: str) -> bytes:
    """The picture as PNG, drawn by a process of its own. Call it in a thread. Raises `CannotDraw`."""
    command = [sys.executable, "-I", pixels.__file__, _font()]
    try:
        ended = subprocess.run(command, input=svg.encode(), capture_output=True, timeout=WITHIN_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as why:
        raise CannotDraw(f"the picture was not drawn ({type(why).__name__})") from why
    if ended.returncode or not ended.stdout.startswith(PNG):
        said = one_line(ended.stderr.decode(errors="replace").strip().rpartition("\n")[2], 200)
        raise CannotDraw(f"the picture was not drawn ({said or f'exit code {ended.returncode}'})")
    return ended.stdout


@cache
def _font() -> str:
    return str(files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf")


def _title(it: Diagnosis) -> Iterator[str]:
    where = breaking_hop(it)
    pod, arrow, peer = subject(it.target).partition(" → ")
    end = f"{arrow}{fitted(peer, 27.6, PEER_ROOM)}"
    yield text(SIDE, 44, f"{fitted(pod, 27.6, WIDTH - 2 * SIDE - width_of(end, 27.6))}{end}", 26, weight=700)
    spoilt = status_of(it) is VerdictStatus.DEGRADED
    how = "the fault is at" if spoilt else "the packets stop at"
    said = f"{state_of(it)}: {how} {_with_article(where)}" if where else state_of(it)
    yield text(SIDE, 78, said, 22, RED if where else QUIET, weight=700, room=WIDTH - 2 * SIDE)


def _with_article(hop: str) -> str:
    return hop if hop == DNS else f"the {hop}"


def _rows(way: Sequence[Hop]) -> int:
    return -(-len(way) // A_ROW)


def _way(way: Sequence[Hop]) -> Iterator[str]:
    """The hops row by row; an arrow leads from the end of a row to the begin of the next."""
    broken = next((number for number, hop in enumerate(way) if hop.state is HopState.BREAKS), len(way))
    for number, hop in enumerate(way):
        if number:
            yield from _arrow(number, reached=number <= broken)
        yield from _box(*_place(number), hop)


def _place(number: int) -> tuple[float, float]:
    row, column = divmod(number, A_ROW)
    return SIDE + column * (BOX + GAP), TOP + row * (BOX_HEIGHT + GAP)


def _arrow(number: int, *, reached: bool) -> Iterator[str]:
    colour, dash = (INK, "") if reached else ("#9a9a9e", "5 6")
    x, y = _place(number)
    middle = y + BOX_HEIGHT / 2
    if number % A_ROW:
        yield stroke(f"M{x - GAP + 5} {middle} H{x - 7}", colour, 3, dash=dash)
        yield stroke(f"M{x - 15} {middle - 8} L{x - 6} {middle} L{x - 15} {middle + 8}", colour, 3)
        return
    end, turn, centre = _place(number - 1)[0] + BOX / 2, y - GAP / 2, x + BOX / 2
    yield stroke(f"M{end} {y - GAP + 4} V{turn} H{centre} V{y - 6}", colour, 3, dash=dash)
    yield stroke(f"M{centre - 8} {y - 13} L{centre} {y - 5} L{centre + 8} {y - 13}", colour, 3)


def _box(x: float, y: float, hop: Hop) -> Iterator[str]:
    line, middle = LINE.get(hop.state, QUIET), x + BOX / 2
    known = hop.state in LINE
    yield rect(
        *(x, y, BOX, BOX_HEIGHT, FILL.get(hop.state, FAINT)),
        edge=line if known else "#9a9a9e",
        thick=5 if hop.state in (HopState.BREAKS, HopState.SPOILS) else 2,
        radius=12,
        dash="" if known else "7 6",
    )
    yield text(middle, y + 36, hop.title, 25, weight=700, anchor="middle", room=BOX - 12)
    if hop.name:
        yield text(middle, y + 66, hop.name, 19, QUIET, anchor="middle", room=BOX - 16)
    yield text(middle, y + 98, hop.sign, 21, line, weight=700, anchor="middle", room=BOX - 12)
