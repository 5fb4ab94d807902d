"""Facts of any sensor as plain JSON values: bounded, in UTC, without what a sensor keeps for the rules only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any

from sensors.kit.model import Evidence

MAX_ENTRIES = 50
"""Entries of one list or mapping in a written result."""

MAX_REPORTED_CHARS = 2000
"""Characters of one text in a written result."""

MAX_DEPTH = 12
TRUNCATED = "…truncated"


def to_json(value: object, most: int = MAX_ENTRIES, depth: int = 0) -> Any:
    """`value` as something `json.dumps` takes.

    Dataclass fields with metadata ``{"report": False}`` are left out. Times become RFC 3339 with `Z`, enums their
    values, durations seconds, sets sorted lists. A list longer than `most` ends with ``{"…truncated": how many}``.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    if depth >= MAX_DEPTH:
        return _text(str(value))
    return _compound(value, most, depth + 1)


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """Facts as a result holds them: their sentence, and what of them is reported."""

    sentence: str
    facts: Mapping[str, Any]

    def summary(self) -> str:
        return self.sentence


def reported(evidence: Evidence) -> Mapping[str, Any]:
    """The facts of a look as plain JSON values, of one just made or of one that was kept; empty: nothing was seen."""
    if evidence.facts is None:
        return {}
    if isinstance(evidence.facts, RecordedFacts):
        return evidence.facts.facts
    plain = to_json(evidence.facts)
    return plain if isinstance(plain, dict) else {"value": plain}


def rfc3339(moment: datetime) -> str:
    """`2026-11-23T21:11:11Z`; a moment without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _compound(value: object, most: int, depth: int) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    named = _named(value)
    if named is not None:
        return {name: to_json(each, most, depth) for name, each in named.items()}
    if isinstance(value, Mapping):
        return _mapping(value, most, depth)
    if isinstance(value, set | frozenset):
        return _items(sorted(value, key=str), len(value), most, depth)
    if isinstance(value, list | tuple):
        return _items(value, len(value), most, depth)
    return _text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _named(value: object) -> dict[str, object] | None:
    """The reported fields of a dataclass or of a msgspec struct; None for anything else."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value) if each.metadata.get("report", True)}
    names = getattr(type(value), "__struct_fields__", None)
    return {name: getattr(value, name) for name in names} if names else None


def _mapping(value: Mapping[Any, object], most: int, depth: int) -> dict[str, Any]:
    rows = {_text(_key(key)): to_json(each, most, depth) for key, each in islice(value.items(), most)}
    return rows if len(value) <= most else {**rows, TRUNCATED: len(value) - most}


def _key(key: object) -> str:
    return str(key.value if isinstance(key, Enum) else key)


def _items(values: Iterable[object], count: int, most: int, depth: int) -> list[Any]:
    rows = [to_json(each, most, depth) for each in islice(values, most)]
    return rows if count <= most else [*rows, {TRUNCATED: count - most}]


def _text(text: str) -> str:
    return (
        text
        if len(text) <= MAX_REPORTED_CHARS
        else f"{text[:MAX_REPORTED_CHARS]}… ({len(text) - MAX_REPORTED_CHARS} more characters)"
    )
