"""Names for new things: ids in Slack's shapes, in an order that repeats from run to run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


class Mint:
    def __init__(self) -> None:
        self._counters: dict[str, Iterator[int]] = {}

    def new(self, prefix: str) -> str:
        """`V0001`, `V0002`, … for the prefix `V`."""
        counter = self._counters.setdefault(prefix, itertools.count(1))
        return f"{prefix}{next(counter):04d}"


class Stamps:
    """Message timestamps: seconds with six digits, never twice, always later than the one before."""

    def __init__(self) -> None:
        self._last = 0

    def at(self, now: float) -> str:
        self._last = max(self._last + 1, int(now * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"
