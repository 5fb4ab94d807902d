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
    """All objects of a case folder as plain dicts, Lists taken apart."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts = (path.read_bytes() for path in sorted((case / "objects").glob("*.yaml")))
    documents = (each for text in texts for each in yaml.load_all(text, loader))
    return [each for document in documents for each in _items(document)]


def _items(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        return []
    return document["items"] or [] if isinstance(document.get("items"), list) else [document]


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
