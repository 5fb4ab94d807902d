"""Shapes of JSON values, and Slack's complaints about others.

A check is a function from a value and its place (a JSON pointer) to complaints. Checks are built from smaller ones; the
tables of `limits.py` are made of nothing else. Wording of the complaints: recorded answers of Slack, quoted in public
bug reports (`must be less than 3001 characters [json-pointer:/blocks/0/text/text]`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

ShapeCheck = Callable[[Any, str], Iterator[str]]


def complaint(text: str, place: str) -> str:
    return f"{text} [json-pointer:{place}]"


def anything(value: Any, place: str) -> Iterator[str]:
    """Accepts all: for parts whose inside Slack does not document."""
    yield from ()


def flag(value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield complaint("must be a boolean", place)


def number(least: float, most: float) -> ShapeCheck:
    def check(value: Any, place: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield complaint("must be a number", place)
        elif not least <= value <= most:
            yield complaint(f"must be between {least:g} and {most:g}", place)

    return check


def string(most: int, least: int = 1) -> ShapeCheck:
    """Characters as Slack counts them: code points."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield complaint("must be a string", place)
        elif len(value) > most:
            yield complaint(f"must be less than {most + 1} characters", place)
        elif len(value) < least:
            yield complaint(f"must be more than {least - 1} characters", place)

    return check


def choice(*allowed: str) -> ShapeCheck:
    def check(value: Any, place: str) -> Iterator[str]:
        if value not in allowed:
            yield complaint(f"must be one of {', '.join(allowed)}", place)

    return check


def listing(item: ShapeCheck, most: int, least: int = 1) -> ShapeCheck:
    """Every item is checked, even when there are too many."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield complaint("must provide an array", place)
            return
        if len(value) > most:
            yield complaint(f"no more than {most} items allowed", place)
        if len(value) < least:
            yield complaint(f"no less than {least} items required", place)
        for index, one in enumerate(value):
            yield from item(one, f"{place}/{index}")

    return check


def shape(required: Mapping[str, ShapeCheck], optional: Mapping[str, ShapeCheck] | None = None) -> ShapeCheck:
    """An object of known keys: a missing one and an unknown one are both complaints."""
    known = {**required, **(optional or {})}

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield complaint("must provide an object", place)
            return
        for name in required:
            if name not in value:
                yield complaint(f"missing required field: {name}", place)
        for name, part in value.items():
            if name == "type":
                continue
            if name not in known:
                yield complaint(f"invalid additional property: {name}", place)
            else:
                yield from known[name](part, f"{place}/{name}")

    return check


def typed(table: Mapping[str, ShapeCheck]) -> ShapeCheck:
    """Check chosen by the object's `type`; the table may still be growing when this is called."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield complaint("must provide an object", place)
        elif not isinstance(value.get("type"), str):
            yield complaint("missing required field: type", place)
        elif value["type"] not in table:
            yield complaint(f"unsupported type: {value['type']}", place)
        else:
            yield from table[value["type"]](value, place)

    return check


def both(*checks: ShapeCheck) -> ShapeCheck:
    def check(value: Any, place: str) -> Iterator[str]:
        for one in checks:
            yield from one(value, place)

    return check


def at_least_one_of(*names: str) -> ShapeCheck:
    def check(value: Any, place: str) -> Iterator[str]:
        if isinstance(value, dict) and not any(value.get(name) for name in names):
            yield complaint(f"must define either `{'` or `'.join(names)}`", place)

    return check
