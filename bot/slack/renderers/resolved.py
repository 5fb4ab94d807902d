"""An alert resolved: the root message says so, or the thread where a change has its own state on the root."""

from __future__ import annotations

from collections.abc import Sequence

from bot.alerts.resolved import ResolvedNote
from bot.report import blocks
from bot.report.blocks import ChangeState, Said, section
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.report.short_answer import VerdictStatus
from bot.slack.notes import Kept, RootState, ThreadReply
from bot.slack.renderer import Renderer
from bot.store import Investigation, StoredVerdict


def render(note: ResolvedNote) -> Sequence[Kept]:
    line = f"✔ The alert resolved at {note.at:%H:%M:%S} UTC: {safe(note.by, 600)}."
    verdict = None if note.verdict is None or note.in_thread else _verdict(note.verdict, note.investigation, line)
    if verdict is None:
        return (ThreadReply("resolved.line", Said(line, (section(line),))),)
    return (RootState(verdict),)


def _verdict(kept: StoredVerdict, it: Investigation, line: str) -> Said | None:
    """The verdict's root message, green, with the line in place of the fix."""
    try:
        found = decode(kept.result)
    except CannotDecode:
        return None
    return blocks.verdict(
        found, cluster=it.request.cluster, change=ChangeState(line, VerdictStatus.HEALTHY, "alert resolved")
    )


RENDERER = Renderer("resolved", ResolvedNote, render)
