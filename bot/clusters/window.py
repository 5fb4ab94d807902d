"""The window of time that --since names."""

from __future__ import annotations

from datetime import timedelta

from bot.errors import UsageMistake
from sensors.kit.durations import seconds_in


def since_of(word: str | None) -> timedelta | None:
    """`90s`, `10m`, `1h`, `2d`. Raises `UsageMistake`."""
    if word is None:
        return None
    try:
        return timedelta(seconds=seconds_in(word))
    except ValueError:
        raise UsageMistake(f"--since wants a time such as 90s, 10m or 1h, not {word[:40]!r}") from None
