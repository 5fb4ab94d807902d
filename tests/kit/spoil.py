"""Spoils real objects, so that a parser meets what no API server should send: wrong types, nulls, missing keys."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    7.5,
    "",
    "junk",
    [],
    [None],
    [[]],
    {},
    {"junk": [1]},
    ["a", {"b": None}],
    10**30,
)
KEEP = ("apiVersion", "kind")


def real_objects(case: Path) -> list[dict[str, Any]]:
    """All objects of a recorded case, as plain dicts."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    lists = (yaml.load(path.read_text(), loader) for path in sorted((case / "objects").glob("*.yaml")))
    return [each for found in lists if found for each in found.get("items", [])]


def spoiled(objects: Iterable[dict[str, Any]], seed: int, share: float = 0.05) -> list[dict[str, Any]]:
    """The same objects with about `share` of their values replaced by junk; which ones depends on the seed only."""
    dice = random.Random(seed)
    return [_spoil_map(each, dice, share, top=True) for each in objects]


def _spoil_map(thing: dict[str, Any], dice: random.Random, share: float, top: bool = False) -> dict[str, Any]:
    return {
        key: value if top and key in KEEP else _spoil(value, dice, share)
        for key, value in thing.items()
        if (top and key in KEEP) or dice.random() > share / 4
    }


def _spoil(value: Any, dice: random.Random, share: float) -> Any:
    if dice.random() < share:
        return dice.choice(JUNK)
    if isinstance(value, dict):
        return _spoil_map(value, dice, share)
    if isinstance(value, list):
        return [_spoil(each, dice, share) for each in value]
    return value
