"""The path of a connection and where it breaks, and when it was dropped: one picture for those who would rather look.

`draw` makes SVG of a diagnosis (pure), `alt` says the same in words, `png` turns it into pixels with resvg and Inter, a
font; both are wheels: no system package and no font of the machine is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any
from unicodedata import east_asian_width

from bot.report.outline import ledger
from bot.report.sanitize import clean
from flows.causes import CAUSES, Layer
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit.reported import reported

WIDTH = 960
BOX, GAP, LEFT, TOP = 132, 26, 22, 110
BOX_HEIGHT = 92
ROWS = 5
"""Connections in the timeline; more would not be read on a telephone."""

FAILED = ("refused", "unanswered", "reset", "denied")
"""Outcomes, besides drops, of connections that came to nothing; the word stands on the bar."""

INK, QUIET, PAPER, GRID = "#1d1c1d", "#616061", "#ffffff", "#dddddd"
FILL = {"fail": "#fbe4e4", "pass": "#e6f4ea", "inconclusive": "#fff6dc", "not_measured": "#f4f4f4"}
LINE = {"fail": "#b3261e", "pass": "#1e7b45", "inconclusive": "#8a6100", "not_measured": "#6b6b6b"}
SIGN = {"fail": "✗ fails here", "pass": "✓ passes", "inconclusive": "? undecided", "not_measured": "– not measured"}
WORST = (LayerState.FAIL, LayerState.INCONCLUSIVE, LayerState.NOT_MEASURED, LayerState.PASS)


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of the path. `breaks`: the root cause lies here."""

    title: str
    name: str
    state: LayerState
    breaks: bool

    @property
    def sign(self) -> str:
        """A sign and a word. Of several stops that fail, one is the cause, and the others fail because of it."""
        return SIGN[self.state] if self.breaks or self.state is not LayerState.FAIL else "✗ fails, too"


@dataclass(frozen=True, slots=True)
class Span:
    """When one connection was seen, and when it was dropped."""

    name: str
    first: datetime
    last: datetime
    first_drop: datetime | None
    last_drop: datetime | None
    packets: int
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of something that the verdict speaks of."""

    at: datetime
    name: str


# -- what is drawn ----------------------------------------------------------------------------------------------------


def path(it: Diagnosis) -> tuple[Stop, ...]:
    """The stations a connection passes, in the order in which it meets them."""
    rows = {row.layer: row for row in ledger(it)}
    cause = CAUSES.get(it.cause_class)
    broken = cause.layer if cause and it.fault_found else None
    return tuple(_stop(title, layers, rows, broken, it) for title, layers in _STATIONS)


_STATIONS: Sequence[tuple[str, tuple[Layer, ...]]] = (
    ("pod", (Layer.POD_NETWORK,)),
    ("DNS", (Layer.DNS,)),
    ("policy", (Layer.POLICY,)),
    ("service", (Layer.SERVICE,)),
    ("network", (Layer.CONNTRACK, Layer.NAT, Layer.PHYSICAL)),
    ("backend", (Layer.APPLICATION,)),
)


def _stop(
    title: str, layers: tuple[Layer, ...], rows: Mapping[Layer, LayerRow], broken: Layer | None, it: Diagnosis
) -> Stop:
    state = min((rows[layer].state for layer in layers), key=WORST.index)
    return Stop(title, _name(title, broken in layers, it), state, broken in layers)


def _name(title: str, breaks: bool, it: Diagnosis) -> str:
    if breaks and it.component:
        return it.component.name
    peer = (it.target.to or "").replace(".svc.cluster.local", "")  # the whole name stands above
    return {"pod": it.target.pod, "service": peer, "backend": peer}.get(title, "")


def spans(it: Diagnosis) -> tuple[Span, ...]:
    """The connections with drops first, then the others, as far as they tell their times; at most `ROWS`."""
    found = [span for each in _connections(it) if (span := _span(each)) is not None]
    return tuple(sorted(found, key=lambda span: (-span.packets, span.first))[:ROWS])


def marks(it: Diagnosis) -> tuple[Mark, ...]:
    """When the component of the verdict was changed."""
    if it.component is None:
        return ()
    wanted = (it.component.kind, it.component.namespace, it.component.name)
    found = []
    for each in _rows(_facts(it, "k8s.recent_changes"), "changes"):
        about, at = each.get("about"), _moment(each.get("at"))
        if at and isinstance(about, Mapping) and wanted == tuple(about.get(k) for k in ("kind", "namespace", "name")):
            found.append(Mark(at, f"{it.component.name} {each.get('kind', 'changed')}"))
    return tuple(found[:3])


def alt(it: Diagnosis) -> str:
    """The picture in words, for those who cannot see it; at most 1,000 characters."""
    stops = "; ".join(f"{each.title}: {each.sign[2:]}" for each in path(it))
    where = next((each.title for each in path(it) if each.breaks), None)
    breaks = f"The path breaks at {where}. " if where else ""
    dropped = [each for each in spans(it) if each.packets]
    told = (f"{each.packets} packets to {each.name} dropped {_clock(each)}" for each in dropped)
    return clean(f"{breaks}Path of {it.target}: {stops}. {'; '.join(told)}", 1000)


def _clock(span: Span) -> str:
    if span.first_drop is None or span.last_drop is None:
        return ""
    return f"from {span.first_drop:%H:%M:%S} to {span.last_drop:%H:%M:%S}"


def _connections(it: Diagnosis) -> Iterator[Mapping[str, Any]]:
    yield from _rows(_facts(it, "hubble.capture_flows"), "connections")


def _facts(it: Diagnosis, sensor: str) -> Mapping[str, Any]:
    return next((reported(each) for each in it.evidence.values() if each.sensor == sensor), {})


def _rows(facts: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    rows = facts.get(name)
    yield from (each for each in rows if isinstance(each, Mapping)) if isinstance(rows, list) else ()


def _span(each: Mapping[str, Any]) -> Span | None:
    first, last = _moment(each.get("first")), _moment(each.get("last"))
    if first is None or last is None:
        return None
    packets, said = each.get("packets_dropped"), each.get("outcome")
    outcome = said if isinstance(said, str) and said in FAILED else ""
    drops = _moment(each.get("first_drop")), _moment(each.get("last_drop"))
    return Span(_peer(each), first, last, *drops, packets if isinstance(packets, int) and all(drops) else 0, outcome)


def _peer(each: Mapping[str, Any]) -> str:
    peer = each.get("destination")
    peer = peer if isinstance(peer, Mapping) else {}
    entities = peer.get("entities")
    entity = str(entities[0]) if isinstance(entities, list) and entities else ""
    name = peer.get("pod") or entity or peer.get("ip") or "?"
    return f"{name} {each.get('protocol') or ''}/{each.get('port') or ''}".strip(" /")


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None
    except (ValueError, OverflowError):
        return None


# -- how it is drawn -------------------------------------------------------------------------------------------------


def draw(it: Diagnosis) -> str:
    """The picture as SVG. Every word is escaped; nothing in it links or loads anything."""
    rows, events = spans(it), marks(it)
    height = TOP + BOX_HEIGHT + (86 + 30 * len(rows) if rows else 24)
    parts = (*_title(it), *_path(path(it)), *(_timeline(rows, events) if rows else ()))
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    paper = f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Inter">{paper}{"".join(parts)}</svg>'


def png(svg: str) -> bytes:
    """The picture as PNG, twice the size so that it is sharp on a telephone. Takes some 30 ms: call it in a thread."""
    import resvg_py

    made = resvg_py.svg_to_bytes(
        svg_string=svg, font_files=[_font()], skip_system_fonts=True, font_family="Inter", zoom=2
    )
    return bytes(made)


@cache
def _font() -> str:
    return str(files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf")


def _title(it: Diagnosis) -> Iterator[str]:
    peer = f" → {it.target.to}" if it.target.to else ""
    yield _text(LEFT, 36, f"{it.target}{peer}", 17, weight=700)
    for number, line in enumerate(_wrapped(clean(it.root_cause, 400), 13, WIDTH - 2 * LEFT)):
        yield _text(LEFT, 62 + 20 * number, line, 13, QUIET)


def _path(stops: Sequence[Stop]) -> Iterator[str]:
    broken = next((number for number, stop in enumerate(stops) if stop.breaks), len(stops))
    for number, stop in enumerate(stops):
        x = LEFT + number * (BOX + GAP)
        if number:
            yield _arrow(x - GAP, reached=number <= broken)
        yield from _box(x, stop)


def _box(x: int, stop: Stop) -> Iterator[str]:
    state = stop.state.value
    line, width = LINE[state], 3 if stop.breaks else 1.5
    dash = ' stroke-dasharray="5 4"' if state == "not_measured" else ""
    yield (
        f'<rect x="{x}" y="{TOP}" width="{BOX}" height="{BOX_HEIGHT}" rx="8" fill="{FILL[state]}" stroke="{line}" '
        f'stroke-width="{width}"{dash}/>'
    )
    yield _text(x + BOX / 2, TOP + 26, stop.title, 15, weight=700, anchor="middle")
    if stop.name:
        yield _text(x + BOX / 2, TOP + 49, stop.name, 11, QUIET, anchor="middle", room=BOX - 14)
    yield _text(x + BOX / 2, TOP + 75, stop.sign, 12, line, weight=700, anchor="middle")


def _arrow(x: int, *, reached: bool) -> str:
    middle = TOP + BOX_HEIGHT / 2
    colour, dash = (INK, "") if reached else ("#b0b0b0", ' stroke-dasharray="3 4"')
    head = f"M{x + GAP - 9} {middle - 5} L{x + GAP - 3} {middle} L{x + GAP - 9} {middle + 5}"
    return (
        f'<path d="M{x + 3} {middle} H{x + GAP - 4}" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<path d="{head}" fill="none" stroke="{colour}" stroke-width="2"/>'
    )


AXIS_LEFT, AXIS_RIGHT = 250, WIDTH - 30
SEEN = "#c8d6e5"


def _timeline(rows: Sequence[Span], events: Sequence[Mark]) -> Iterator[str]:
    top = TOP + BOX_HEIGHT + 48
    first = min((*(row.first for row in rows), *(_near(mark, rows) for mark in events)))
    length = max((max(row.last for row in rows) - first).total_seconds(), 1.0)

    def x(moment: datetime) -> float:
        share = (moment - first).total_seconds() / length
        return round(AXIS_LEFT + min(max(share, 0.0), 1.0) * (AXIS_RIGHT - AXIS_LEFT), 1)

    yield _text(LEFT, top - 12, "When", 13, weight=700)
    for number, row in enumerate(rows):
        yield from _row(top + 10 + 30 * number, row, x)
    bottom = top + 12 + 30 * len(rows)
    yield from _axis(bottom, first, max(row.last for row in rows))
    for mark in events:
        if first <= mark.at <= max(row.last for row in rows):
            yield from _mark(top, bottom, x(mark.at), mark)


def _near(mark: Mark, rows: Sequence[Span]) -> datetime:
    """A change shortly before belongs into the picture; one of last week would squeeze it into a line."""
    first, last = min(row.first for row in rows), max(row.last for row in rows)
    return mark.at if first - (last - first) <= mark.at <= last else first


def _row(y: float, row: Span, x: Any) -> Iterator[str]:
    yield _text(LEFT, y + 11, row.name, 11, room=AXIS_LEFT - LEFT - 8)
    yield _bar(x(row.first), x(row.last), y, LINE["inconclusive"] if row.outcome else SEEN)
    if x(row.last) - x(row.first) > 80 and not row.packets:
        words, colour = (row.outcome, PAPER) if row.outcome else ("no drop", QUIET)
        yield _text(x(row.first) + 8, y + 11, words, 10, colour, weight=700)
    if row.packets and row.first_drop and row.last_drop:
        left, right = x(row.first_drop), x(row.last_drop)
        yield _bar(left, right, y, LINE["fail"])
        yield _dropped(left, right, y, f"{row.packets} packets dropped")


def _dropped(left: float, right: float, y: float, label: str) -> str:
    """On the bar where there is room, else beside it, on the side that has some."""
    if right - left > 150:
        return _text(left + 8, y + 11, label, 10, PAPER, weight=700)
    if right < AXIS_RIGHT - 150:
        return _text(right + 6, y + 11, label, 10, LINE["fail"], weight=700)
    return _text(left - 6, y + 11, label, 10, LINE["fail"], anchor="end", weight=700)


def _bar(left: float, right: float, y: float, colour: str) -> str:
    return f'<rect x="{left}" y="{y}" width="{max(right - left, 3):.1f}" height="14" rx="3" fill="{colour}"/>'


def _axis(y: float, first: datetime, last: datetime) -> Iterator[str]:
    yield f'<path d="M{AXIS_LEFT} {y} H{AXIS_RIGHT}" stroke="{GRID}" stroke-width="1.5"/>'
    yield _text(AXIS_LEFT, y + 17, f"{first:%H:%M:%S} UTC", 10, QUIET)
    yield _text(AXIS_RIGHT, y + 17, f"{last:%H:%M:%S}", 10, QUIET, anchor="end")


def _mark(top: float, bottom: float, x: float, mark: Mark) -> Iterator[str]:
    yield f'<path d="M{x} {top - 6} V{bottom}" stroke="{INK}" stroke-width="1.5" stroke-dasharray="4 3"/>'
    end = x > (AXIS_LEFT + AXIS_RIGHT) / 2
    words = f"{mark.name} {mark.at:%H:%M:%S}"
    yield _text(x, top - 12, words, 11, weight=700, anchor="end" if end else "start", room=400)


def _text(
    x: float, y: float, words: str, size: int, colour: str = INK, *, weight: int = 400, anchor: str = "start",
    room: float = WIDTH - 2 * LEFT,
) -> str:  # fmt: skip
    shown = escape(_fitted(clean(words, 400), size * (1.06 if weight > 400 else 1.0), room), quote=True)
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">'
        f"{shown}</text>"
    )


# -- how much room words take ----------------------------------------------------------------------------------------

_WIDTHS = {letter: width for letters, width in (("ijlI.,:;'|!", 0.29), ("ftr()[]/-\" ", 0.4), ("mwMW@%…→", 0.9),
                                               ("ABCDEFGHKLNOPQRSTUVXYZ", 0.7)) for letter in letters}  # fmt: skip
"""Of a letter of Inter, in ems, a little on the safe side."""


def _width(words: str, size: float) -> float:
    return size * sum(_WIDTHS.get(letter, 1.0 if east_asian_width(letter) in "WF" else 0.6) for letter in words)


def _fitted(words: str, size: float, room: float) -> str:
    """Words that fit, cut in the middle: what tells two pods apart stands at the end of their names."""
    if _width(words, size) <= room:
        return words
    keep = len(words) - 1
    while keep > 2 and _width(_cut(words, keep), size) > room:
        keep -= 1
    return _cut(words, keep)


def _cut(words: str, keep: int) -> str:
    tail = keep // 3
    return f"{words[: keep - tail].rstrip()}…{words[-tail:].lstrip() if tail else ''}"


def _wrapped(words: str, size: float, room: float) -> tuple[str, ...]:
    """Two lines at most; the second may be too long, and is then cut where it is drawn."""
    first, rest = "", words
    while (word := rest.partition(" ")[0]) and _width(f"{first} {word}", size) <= room:
        first, rest = f"{first} {word}".strip(), rest[len(word) :].lstrip()
    return tuple(filter(None, (first, rest)))
