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

from bot.report.blocks import plain_facts
from bot.report.clean import clean
from bot.report.outline import ledger
from flows.causes import CAUSES, Layer
from flows.model import Diagnosis, LayerRow, LayerState

WIDTH = 960
BOX, GAP, LEFT, TOP = 132, 26, 22, 92
BOX_HEIGHT = 92
ROWS = 5
"""Connections in the timeline; more would not be read on a telephone."""

FAILED = ("refused", "unanswered", "reset", "denied")
"""Outcomes, besides drops, of connections that came to nothing; the word stands on the bar."""

INK, QUIET, PAPER, GRID = "#1d1c1d", "#616061", "#ffffff", "#dddddd"
FILL = {"fail": "#fbe4e4", "pass": "#e6f4ea", "inconclusive": "#fff6dc", "not_measured": "#f4f4f4"}
LINE = {"fail": "#b3261e", "pass": "#1e7b45", "inconclusive": "#8a6100", "not_measured": "#8d8d8d"}
SIGN = {"fail": "✗ fails here", "pass": "✓ passes", "inconclusive": "? undecided", "not_measured": "– not measured"}
WORST = (LayerState.FAIL, LayerState.INCONCLUSIVE, LayerState.NOT_MEASURED, LayerState.PASS)


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of the path. `breaks`: the root cause lies here."""

    title: str
    name: str
    state: LayerState
    breaks: bool


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
    return {"pod": it.target.pod, "service": it.target.to or "", "backend": it.target.to or ""}.get(title, "")


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
    stops = "; ".join(f"{each.title}: {SIGN[each.state][2:]}" for each in path(it))
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
    return next((plain_facts(each) for each in it.evidence.values() if each.sensor == sensor), {})


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
    yield _text(LEFT, 36, f"{it.target}{peer}", 17, weight=700, room=86)
    yield _text(LEFT, 62, it.root_cause, 13, QUIET, room=130)


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
        yield _text(x + BOX / 2, TOP + 49, stop.name, 11, QUIET, anchor="middle", room=21)
    sign = SIGN[state] if stop.breaks or state != "fail" else "✗ fails, too"
    yield _text(x + BOX / 2, TOP + 75, sign, 12, line, weight=700, anchor="middle")


def _arrow(x: int, *, reached: bool) -> str:
    middle = TOP + BOX_HEIGHT / 2
    colour, dash = (INK, "") if reached else ("#b0b0b0", ' stroke-dasharray="3 4"')
    head = f"M{x + GAP - 9} {middle - 5} L{x + GAP - 3} {middle} L{x + GAP - 9} {middle + 5}"
    return (
        f'<path d="M{x + 3} {middle} H{x + GAP - 4}" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<path d="{head}" fill="none" stroke="{colour}" stroke-width="2"/>'
    )


AXIS_LEFT, AXIS_RIGHT = 250, WIDTH - 30


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
    yield _text(LEFT, y + 9, row.name, 11, room=36)
    yield _bar(x(row.first), x(row.last), y, LINE["inconclusive"] if row.outcome else "#c8d6e5")
    if row.outcome and x(row.last) - x(row.first) > 80:
        yield _text(x(row.first) + 8, y + 10, row.outcome, 10, "#ffffff", weight=700)
    if row.packets and row.first_drop and row.last_drop:
        left, right = x(row.first_drop), x(row.last_drop)
        yield _bar(left, right, y, LINE["fail"])
        label = f"{row.packets} packets dropped"
        inside = right - left > 150
        yield _text(left + 8 if inside else AXIS_LEFT - 6, y + 10, label, 10, "#ffffff" if inside else LINE["fail"],
                    anchor="start" if inside else "end", weight=700)  # fmt: skip


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
    yield _text(x, top - 12, words, 11, weight=700, anchor="end" if end else "start", room=60)


def _text(
    x: float, y: float, words: str, size: int, colour: str = INK, *, weight: int = 400, anchor: str = "start",
    room: int = 200,
) -> str:  # fmt: skip
    shown = (
        escape(clean(words, room * 2), quote=True) if len(words) <= room else escape(_short(words, room), quote=True)
    )
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">'
        f"{shown}</text>"
    )


def _short(words: str, room: int) -> str:
    return f"{clean(words[: room * 4], room * 4)[: room - 1].rstrip()}…"
