"""A further look that Claude asked for: a reply in the thread, with what it showed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.explain.notes import AskedNote
from bot.report.blocks import Said, section
from bot.report.explained import asked_line
from bot.report.mrkdwn import safe
from bot.slack.notes import Kept, ThreadReply
from bot.slack.renderer import Renderer


def render(note: AskedNote) -> Sequence[Kept]:
    line = safe(asked_line(note.asked), 700)
    return (ThreadReply(note.role, Said(line, (section(line),))),)


RENDERER = Renderer("asked", AskedNote, render)
