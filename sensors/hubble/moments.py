"""Order of two moments, where one may be unknown or of another node's clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

CLOCKS = timedelta(seconds=1)  # two nodes' clocks agree within this; nearer than that they tell no order

Moments: TypeAlias = dict[
    tuple[int, str], datetime
]  # the newest by node (its bit) and directions of the policies asked
Spans: TypeAlias = dict[str, list[datetime]]  # the oldest and the newest by node


def note_newest(known: Moments, key: tuple[int, str], when: datetime) -> None:
    """Notes `when`, if that is the newest of its kind."""
    newest = known.get(key)
    if newest is None or when > newest:
        known[key] = when


def widen(spans: Spans, node: str, when: datetime) -> None:
    """Notes that a node's flows reach to this moment, at least."""
    span = spans.get(node)
    if span is None:
        spans[node] = [when, when]
    elif when > span[1]:
        span[1] = when
    elif when < span[0]:
        span[0] = when


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two; the other where one is unknown."""
    return other if one is None or (other is not None and other < one) else one


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two; the other where one is unknown."""
    return other if one is None or (other is not None and other > one) else one
