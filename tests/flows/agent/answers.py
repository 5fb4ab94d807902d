"""Answers in Claude's place, written by us for tests. No model has ever said any of this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.agent.settings import ClaudeSettings
from tests.kit.messages_api import KEY, MessagesApi


def answer(
    *statements: tuple[str, Sequence[str]],
    cause_class: str = "policy.egress_denied",
    cause: tuple[str, Sequence[str]] = ("847 packets were dropped.", ("E1",)),
    against: Sequence[str] = (),
    confidence: float = 0.9,
    fix: str = "none",
) -> dict[str, Any]:
    """An answer in the shape that is asked for."""
    return {
        "statements": [{"text": text, "evidence": list(ids)} for text, ids in statements],
        "cause_class": cause_class,
        "cause": {"text": cause[0], "evidence": list(cause[1])},
        "contradicting_evidence": list(against),
        "confidence": confidence,
        "fix": fix,
    }


TRUE = (
    ("Hubble saw 847 packets dropped as POLICY_DENIED on the way to 172.30.0.11 on TCP 6443.", ("E1",)),
    ("NetworkPolicy production/strict-egress selects the pod.", ("E3",)),
)
"""Statements about the incident `api-server-cannot-watch` that its evidence carries."""

FAIR = answer(*TRUE)


def review(
    *strike: tuple[int, str, Sequence[str]], against: Sequence[str] = (), confidence: float = 0.9
) -> dict[str, Any]:
    """A second look."""
    struck = [{"statement": number, "why": {"text": why, "evidence": list(ids)}} for number, why, ids in strike]
    return {"strike": struck, "confidence": confidence, "contradicting_evidence": list(against)}


def settings_for(api: MessagesApi, **more: Any) -> ClaudeSettings:
    return ClaudeSettings(key=KEY, base_url=api.url, **more)


def is_asking(body: Mapping[str, Any]) -> bool:
    """A turn in which a further look may be asked for."""
    return "tools" in body
