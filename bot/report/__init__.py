"""A diagnosis in words: one outline of what is said, rendered as text, Markdown or JSON. Pure, apart from colour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a report should say besides the diagnosis: that this is a recording, and of when.

    `recorded_at` None: a living cluster. `case` is the folder's name. `synthetic`: somebody wrote the case by hand.
    """

    recorded_at: datetime | None = None
    case: str = ""
    synthetic: bool = False
