"""Facts stored besides a diagnosis: the same cause elsewhere, and what became of the fix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.model import Diagnosis


@dataclass(frozen=True, slots=True)
class Alike:
    """Another investigation that found the same cause in the same object."""

    target: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """`change` says what became of the proposed fix, `approvers` who may approve it; both escaped, empty where there
    is nothing to say. `in_slack`: buttons stand beside the answer; else it is read in a terminal.
    """

    it: Diagnosis
    looked_at: datetime | None = None
    alike: tuple[Alike, ...] = ()
    change: str = ""
    approvers: str = ""
    in_slack: bool = True
