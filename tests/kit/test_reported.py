from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from ipaddress import ip_address
from typing import Any

import pytest

from sensors.hubble.lines import Dns
from sensors.kit.reported import to_json


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Odd(Enum):
    PAIR = (1, 2)


@dataclass(frozen=True, slots=True)
class Inner:
    at: datetime
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    inner: Inner
    colour: Colour
    took: timedelta
    by_level: dict[Level, int]
    raw: tuple[str, ...] = field(metadata={"report": False})


def test_facts_become_plain_values_without_what_only_rules_read() -> None:
    facts = Facts(
        Inner(datetime(2026, 11, 23, 22, 11, 11, tzinfo=timezone(timedelta(hours=1))), frozenset({"b", "a"})),
        Colour.RED,
        timedelta(milliseconds=1500),
        {Level.HIGH: 1},
        ("secret",),
    )

    assert to_json(facts) == {
        "inner": {"at": "2026-11-23T21:11:11Z", "names": ["a", "b"]},
        "colour": "red",
        "took": 1.5,
        "by_level": {"3": 1},
    }


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (Level.HIGH, 3),
        (Odd.PAIR, [1, 2]),
        (float("nan"), None),
        (float("inf"), None),
        (b"\xffok", "\ufffdok"),
        (ip_address("10.0.0.1"), "10.0.0.1"),
        (datetime(2026, 1, 1), "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 5, UTC), "2026-01-01T00:00:00.000005Z"),
        ({1, "a"}, [1, "a"]),
        ([*range(50)], [*range(50)]),
        ([*range(51)], [*range(50), {"…truncated": 1}]),
        ({n: n for n in range(52)}, {**{str(n): n for n in range(50)}, "…truncated": 2}),
        ("x" * 2001, "x" * 2000 + "… (1 more characters)"),
    ],
)
def test_every_value_has_one_plain_form(value: object, plain: object) -> None:
    assert to_json(value) == plain


def test_records_that_are_no_dataclass_show_their_fields() -> None:
    assert to_json(Dns("web.shop.svc", ("A",), rcode=3)) == {
        "query": "web.shop.svc",
        "qtypes": ["A"],
        "rcode": 3,
        "ips": [],
        "source": "",
    }


def test_a_circular_value_is_cut() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle

    assert len(json.dumps(to_json(circle))) < 4000
