"""The few shapes that a picture is made of, as SVG text. Every word is escaped, washed and cut to its room."""

from __future__ import annotations

from html import escape
from unicodedata import east_asian_width

from bot.report.sanitize import clean

INK, QUIET, PAPER, EDGE = "#1d1c1d", "#565457", "#ffffff", "#c9c9cc"
RED, GREEN, YELLOW, SEEN = "#b3261e", "#1e7b45", "#8a6100", "#c8d6e5"
"""Dark enough on white for 4.5 : 1. The paper is part of the picture: a dark theme shows the same colours."""


def text(
    x: float, y: float, words: str, size: int, colour: str = INK, *, weight: int = 400, anchor: str = "start",
    room: float = 680, halo: bool = False,
) -> str:  # fmt: skip
    """Words on their baseline; what does not fit in `room` is cut in the middle. `halo`: readable across a line."""
    around = f' stroke="{PAPER}" stroke-width="8" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    shown = escape(fitted(clean(words, 400), size * (1.06 if weight > 400 else 1.0), room), quote=True)
    place = f'x="{x}" y="{y}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" font-weight="{weight}" fill="{colour}"{around}>{shown}</text>'


def rect(
    x: float, y: float, width: float, height: float, fill: str, *, edge: str = "none", thick: float = 0,
    radius: int = 0, dash: str = "",
) -> str:  # fmt: skip
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" rx="{radius}" fill="{fill}" stroke="{edge}" '
        f'stroke-width="{thick}"{dashed}/>'
    )


def stroke(path: str, colour: str, thick: float, *, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"{dashed}/>'


# -- how much room words take -----------------------------------------------------------------------------------------

_WIDTHS = {letter: width for letters, width in (("ijlI.,:;'|!", 0.29), ("ftr()[]/-\" ", 0.4), ("mwMW@%…→", 0.9),
                                               ("ABCDEFGHKLNOPQRSTUVXYZ", 0.7)) for letter in letters}  # fmt: skip
"""Of a letter of Inter, in ems, a little on the safe side."""


def width_of(words: str, size: float) -> float:
    return size * sum(_WIDTHS.get(letter, 1.0 if east_asian_width(letter) in "WF" else 0.6) for letter in words)


def fitted(words: str, size: float, room: float) -> str:
    """Words that fit, cut in the middle: what tells two pods apart stands at the end of their names."""
    if width_of(words, size) <= room:
        return words
    keep = len(words) - 1
    while keep > 2 and width_of(_cut(words, keep), size) > room:
        keep -= 1
    return _cut(words, keep)


def _cut(words: str, keep: int) -> str:
    tail = keep // 3
    return f"{words[: keep - tail].rstrip()}…{words[-tail:].lstrip() if tail else ''}"
