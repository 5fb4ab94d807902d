"""Claude's part of the JSON result, both ways. A result of before there was one reads as none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flows.model import AskedLook, Explanation, OtherCause, Statement, Struck, Usage


def out(it: Explanation | None) -> dict[str, Any] | None:
    """`null` where Claude was not asked."""
    if it is None:
        return None
    return {
        "statements": [_statement(each) for each in it.statements],
        "struck": [asdict(each) for each in it.struck],
        "other_cause": None if it.other is None else _other(it.other),
        "fix": it.fix,
        "rules_confidence": round(it.rules_confidence, 3),
        "asked": [asdict(each) for each in it.asked],
        "failed": it.failed,
        "usage": asdict(it.usage),
        "sent": it.sent,
    }


def _statement(it: Statement) -> dict[str, Any]:
    return {"text": it.text, "evidence": list(it.evidence)}


def _other(it: OtherCause) -> dict[str, Any]:
    ids = {"evidence": list(it.evidence), "against": list(it.against)}
    return {"cause_class": it.cause_class, "cause": it.cause, **ids}


def read(it: Mapping[str, Any] | None) -> Explanation | None:
    """Raises what a wrong shape raises: `KeyError`, `TypeError`."""
    if it is None:
        return None
    return Explanation(
        tuple(Statement(each["text"], tuple(each["evidence"])) for each in it["statements"]),
        tuple(Struck(**each) for each in it["struck"]),
        _other_in(it["other_cause"]),
        it["fix"],
        it["rules_confidence"],
        tuple(AskedLook(**each) for each in it["asked"]),
        it["failed"],
        Usage(**it["usage"]),
        it.get("sent", ""),
    )


def _other_in(it: Mapping[str, Any] | None) -> OtherCause | None:
    if it is None:
        return None
    return OtherCause(it["cause_class"], it["cause"], tuple(it["evidence"]), tuple(it["against"]))
