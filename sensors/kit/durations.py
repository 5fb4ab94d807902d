"""Reads a length of time as people write it: `90s`, `15m`, `2h`, `1d`, `500ms`. The one grammar for all of KAI."""

from __future__ import annotations

import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_DURATION_S = 366 * 86400.0

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?(ms|s|m|h|d)")


def seconds_in(text: str) -> float:
    """Seconds, more than none. Raises `ValueError` on anything else; a number without a unit is no time."""
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise ValueError(f"{text[:40]!r} is not a time such as 90s, 15m or 2h")
    return seconds


def written(seconds: float) -> str:
    """The same time as a person would write it: `15m`, `90s`."""
    for unit in ("d", "h", "m"):
        if seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:.0f}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"
