"""An alert resolved: the root message says so, or the thread where a change has its own state on the root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.alerts.resolved import ResolvedNote
from bot.report import blocks
from bot.report.blocks import Said, section
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.slack.notes import Kept, Reply, RootState
from bot.slack.renderer import Renderer
from bot.store import Verdict


def render(note: ResolvedNote) -> Sequence[Kept]:
    line = f"✔ The alert resolved at {note.at:%H:%M:%S} UTC: {safe(note.by, 600)}."
    verdict = None if note.verdict is None or note.in_thread else _verdict(note.verdict)
    if verdict is None:
        return (Reply("resolved.line", Said(line, (section(line),))),)
    return (RootState(replace(verdict, text=f"{line} {verdict.text}", blocks=(section(line), *verdict.blocks))),)


def _verdict(kept: Verdict) -> Said | None:
    try:
        return blocks.verdict(decode(kept.result))
    except CannotDecode:
        return None


RENDERER = Renderer("resolved", ResolvedNote, render)
