"""Claude's part of a verdict: the root message says it, too; in the thread where the root has other things to say."""

from __future__ import annotations

from collections.abc import Sequence

from bot.explain.notes import ExplanationNote
from bot.report import blocks
from bot.report.blocks import Said
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.report.outline import Part, parts_of
from bot.slack.notes import Kept, Reply, RootState
from bot.slack.renderer import Renderer
from bot.slack.renderers.ended import person_of
from flows.model import Diagnosis


def render(note: ExplanationNote) -> Sequence[Kept]:
    try:
        diagnosis = decode(note.verdict.result)
    except CannotDecode:
        return ()
    replies = (Reply(f"reply.{name}", said) for name, said in blocks.replies(diagnosis))
    if note.in_thread:
        return (Reply("explanation", _alone(diagnosis)), *replies)
    return (RootState(blocks.verdict(diagnosis, person_of(note.investigation))), *replies)


def _alone(it: Diagnosis) -> Said:
    parts = parts_of(it)
    return Said(safe(f"Claude {parts[Part.CLAUDE].text}", 600), tuple(blocks.claude_part(parts)))


RENDERER = Renderer("explanation", ExplanationNote, render)
