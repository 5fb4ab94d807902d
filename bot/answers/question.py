"""A question about a verdict: its topic, and the layer, causes or evidence that it names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flows.causes import Layer


class Topic(StrEnum):
    """Topics of questions about a verdict. The value is the sentence that a person would write."""

    WHY = "why?"
    ABOUT = "why not DNS?"
    LAYERS = "which layer fails?"
    CHANGED = "what changed?"
    SINCE = "since when?"
    AFFECTED = "who else is affected?"
    NOT_MEASURED = "what did you not measure?"
    SURE = "how sure are you?"
    FIX = "show fix"
    PROOF = "show proof"
    UNDO = "how do I roll back?"
    SAFE = "is it safe?"
    APPROVERS = "who can approve?"
    FIXED = "is it fixed?"
    EVIDENCE = "show evidence E3"
    BY_HAND = "how do I see it myself?"
    AGAIN = "run again"
    APPLY = "fix it"
    THANKS = "thanks"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`evidence` is the id asked for (`E3`), empty for all of it; `layers` and `causes` are those that it names."""

    topic: Topic
    evidence: str = ""
    layers: tuple[Layer, ...] = ()
    causes: tuple[str, ...] = ()
