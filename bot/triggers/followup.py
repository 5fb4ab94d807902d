"""A question about a verdict, in its thread: a handful of questions that can be answered from what was stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.triggers.slack_text import typed
from flows.causes import Layer


class Topic(StrEnum):
    """Topic of a question about a verdict."""

    WHY = "why"
    NOT_MEASURED = "not_measured"
    FIX = "fix"
    EVIDENCE = "evidence"
    SURE = "sure"
    LAYER = "layer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FollowUpQuestion:
    """`evidence` is the id asked for (`E3`), empty for all of it; `layer` the one that a question names."""

    topic: Topic
    evidence: str = ""
    layer: Layer | None = None


_RULES = (
    (
        Topic.NOT_MEASURED,
        r"not (?:been )?(?:measured?|look|see|check)|n ?t you (?:measure|look|see|check)|blind|unmeasured",
    ),
    (Topic.SURE, r"how (?:sure|certain|confident)|confidence|are you (?:sure|certain)"),
    (
        Topic.FIX,
        r"\b(?:fix|patch|kubectl|undo)\b|how (?:do|can|should) (?:i|we) (?:fix|mend|solve)|what should (?:i|we) do",
    ),
    (Topic.EVIDENCE, r"\b(?:evidence|proof)\b"),
    (Topic.WHY, r"^why\b|\bhow come\b|\bwhat is the (?:cause|reason)\b|^explain\b"),
)
_LAYERS = {
    Layer.DNS: r"dns|coredns|kube-dns",
    Layer.POLICY: r"polic(?:y|ies)|networkpolic(?:y|ies)",
    Layer.SERVICE: r"services?|endpoints?|endpointslices?",
    Layer.CONNTRACK: r"conntrack|connection table",
    Layer.NAT: r"nat|kube-proxy",
    Layer.PHYSICAL: r"physical|nodes?|mtu",
    Layer.APPLICATION: r"application|app",
    Layer.POD_NETWORK: r"pod network|cni",
}
_SHORT = re.compile(
    r"(?:but )?why(?: is that| not)?|how (?:sure|certain|confident)(?: are you)?"
    r"|show (?:me )?(?:the )?(?:fix|proof|evidence(?: e\d{1,2})?)"
    r"|what did(?: you not|n ?t you) (?:measure|see|look at|check)",
)
_ID = re.compile(r"\be\s?(\d{1,2})\b")


def parse(text: str) -> FollowUpQuestion:
    """Topic of a question; `unknown` where no rule knows it. Never a guess beyond the rules."""
    words = typed(text).lower().rstrip("?!. ")
    if found := _ID.search(words):
        return FollowUpQuestion(Topic.EVIDENCE, f"E{found[1]}")
    for topic, pattern in _RULES:
        if re.search(pattern, words):
            return FollowUpQuestion(topic)
    named = {layer for layer, pattern in _LAYERS.items() if re.search(rf"\b(?:{pattern})\b", words)}
    return FollowUpQuestion(Topic.LAYER, layer=named.pop()) if len(named) == 1 else FollowUpQuestion(Topic.UNKNOWN)


def is_about_verdict(text: str) -> bool:
    """`show fix` and `show evidence E3` begin like the command `show ID`, and mean the verdict of this thread."""
    return typed(text).lower().startswith("show ") and parse(text).topic is not Topic.UNKNOWN


def is_plain(text: str) -> bool:
    """Is this nothing but one of the known questions? Only then is somebody answered who did not call KAI by name."""
    return _SHORT.fullmatch(typed(text).lower().rstrip("?!. ")) is not None
