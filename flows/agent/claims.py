"""Claude's answer: the JSON schema that is sent, and the reader of what came back. No claim is believed yet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.causes import CAUSES

NO_FIX_ID = "none"


class BadAnswer(ValueError):
    """The answer is not of the shape that was asked for. The message is a clause."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence as Claude wrote it, with the ids that it cites."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaudeClaims:
    """A whole answer as Claude gave it, before anything of it is checked.

    `cause` says in a sentence what Claude holds to be the root cause; `against` are the ids that it holds against the
    verdict of the rules, where its `cause_class` or its confidence is another. `fix` is a candidate's id or "none".
    """

    statements: tuple[Claim, ...]
    cause_class: str
    cause: Claim
    against: tuple[str, ...]
    confidence: float
    fix: str


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """All keys are required and no other may be there: what the API's structured output asks of a schema."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_IDS = {"type": "array", "items": {"type": "string"}, "description": "ids of the evidence table, such as E3"}
_TEXT = {"type": "string"}
_CLAIM = _object(text=_TEXT, evidence=_IDS)

SCHEMA = _object(
    statements={"type": "array", "items": _CLAIM},
    cause_class={"type": "string", "enum": list(CAUSES)},
    cause=_CLAIM,
    contradicting_evidence=_IDS,
    confidence={"type": "number", "description": "0 to 1"},
    fix={"type": "string", "description": "the id of one candidate fix, or none"},
)

REVIEW_SCHEMA = _object(
    strike={
        "type": "array",
        "items": _object(statement={"type": "integer", "description": "its number, from 1"}, why=_CLAIM),
    },
    confidence={"type": "number", "description": "0 to 1; never higher than it is"},
    contradicting_evidence=_IDS,
)


@dataclass(frozen=True, slots=True)
class Objection:
    """The second look wants a statement struck out: its number from 1, and why."""

    statement: int
    why: Claim


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Answer of a second look. It can only take away."""

    strike: tuple[Objection, ...]
    confidence: float
    against: tuple[str, ...]


def read_claims(text: str) -> ClaudeClaims:
    """The answer of the one call. Raises `BadAnswer`."""
    it = _json(text)
    return ClaudeClaims(
        tuple(map(_claim, _list(it, "statements"))),
        _text(it, "cause_class"),
        _claim(it.get("cause")),
        _ids(it, "contradicting_evidence"),
        _share(it),
        _text(it, "fix").strip() or NO_FIX_ID,
    )


def read_review(text: str) -> SecondLook:
    """The answer of a second look. Raises `BadAnswer`."""
    it = _json(text)
    return SecondLook(tuple(map(_objection, _list(it, "strike"))), _share(it), _ids(it, "contradicting_evidence"))


def _objection(it: object) -> Objection:
    number = it.get("statement") if isinstance(it, Mapping) else None
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(it, Mapping):
        raise BadAnswer("an objection names no statement")
    return Objection(number, _claim(it.get("why")))


def _json(text: str) -> Mapping[str, Any]:
    try:
        it = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise BadAnswer("it is not JSON") from None
    if not isinstance(it, Mapping):
        raise BadAnswer("it is not an object")
    return it


def _claim(it: object) -> Claim:
    if not isinstance(it, Mapping):
        raise BadAnswer("a statement is not an object")
    return Claim(_text(it, "text"), _ids(it, "evidence"))


def _text(it: Mapping[str, Any], key: str) -> str:
    value = it.get(key)
    if not isinstance(value, str):
        raise BadAnswer(f"{key} is not text")
    return value


def _list(it: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = it.get(key)
    if not isinstance(value, list):
        raise BadAnswer(f"{key} is not a list")
    return value


def _ids(it: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = _list(it, key)
    if not all(isinstance(each, str) for each in found):
        raise BadAnswer(f"{key} holds what is not an id")
    return tuple(dict.fromkeys(each.strip() for each in found))


def _share(it: Mapping[str, Any]) -> float:
    value = it.get("confidence")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadAnswer("confidence is not between 0 and 1")
    return float(value)
