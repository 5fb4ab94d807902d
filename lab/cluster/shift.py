"""Moves every moment of a recording by the same span, so that an old incident happens now. Times become synthetic.

Text is searched for RFC 3339 stamps (objects, logs, dmesg in ISO format); what only counts seconds since some boot is
left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

STAMP = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)")
NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shift:
    """Whole seconds, so that the fractions of a second stay as they were written."""

    seconds: int

    def moment(self, when: datetime) -> datetime:
        return when + timedelta(seconds=self.seconds)

    def text(self, text: str) -> str:
        return STAMP.sub(self._moved, text)

    def _moved(self, found: re.Match[str]) -> str:
        whole, rest = found[0][:19], found[0][19:]
        try:
            moved = datetime.fromisoformat(whole) + timedelta(seconds=self.seconds)
        except (ValueError, OverflowError):
            return found[0]
        return moved.isoformat(sep=found[1]) + rest

    def thing(self, value: Any) -> Any:
        """An object with all its stamps moved, the fields that describe the wish (`spec`, `data`) excepted."""
        if isinstance(value, Mapping):
            return {key: each if key in ("spec", "data") else self.thing(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.thing(each) for each in value]
        return self.text(value) if isinstance(value, str) else value

    def stamp(self, stamp: Any) -> None:
        """A protobuf Timestamp, in place."""
        stamp.seconds += self.seconds


def stamp_of(moment: datetime) -> str:
    """As the API server writes a moment in metadata."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
