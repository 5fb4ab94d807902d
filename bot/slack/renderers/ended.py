"""An investigation without a verdict: the root message says how it ended, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.desk import EndedNote
from bot.report import blocks
from bot.slack.notes import Kept, RootState
from bot.slack.renderer import Renderer
from bot.store import Investigation

PERSON = re.compile(r"[UW][A-Z0-9]{2,20}")
"""A person's id in Slack; what an alert or a terminal has asked, nobody can be mentioned for."""


def person_of(it: Investigation) -> str:
    """The person who asked; empty for what no person of Slack has asked."""
    return it.request.asked_by if PERSON.fullmatch(it.request.asked_by) else ""


def render(note: EndedNote) -> Sequence[Kept]:
    it = note.investigation
    return (RootState(blocks.ended(it.request.target, note.role, it.why, it.id, person_of(it), it.request.cluster)),)


RENDERER = Renderer("ended", EndedNote, render)
