"""Claude's part of a verdict: whole in the thread, one line of it in the root message, where that says the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bot.explain.notes import ExplanationNote
from bot.report import blocks, thread
from bot.report.blocks import Said
from bot.report.json_result import CannotDecode, decode
from bot.report.mrkdwn import safe
from bot.report.outline import SectionPart, parts_of
from bot.slack.notes import REST, Kept, RootState, ThreadReply
from bot.slack.renderer import Renderer
from bot.slack.renderers.ended import person_of
from bot.slack.renderers.verdict import again_of
from flows.model import Diagnosis


def render(note: ExplanationNote) -> Sequence[Kept]:
    try:
        diagnosis = decode(note.verdict.result)
    except CannotDecode:
        return ()
    replies = (ThreadReply("explanation", _alone(diagnosis)), ThreadReply(REST, thread.rest(diagnosis)))
    if note.in_thread:
        return replies
    it = note.investigation
    again = again_of(note.earlier, diagnosis)
    root = blocks.verdict(diagnosis, person_of(it), it.request.cluster, again=again.words)
    return (RootState(root), *replies)


def _alone(it: Diagnosis) -> Said:
    parts = parts_of(it)
    return Said(safe(f"Claude {parts[SectionPart.CLAUDE].text}", 600), tuple(blocks.claude_part(it)))


RENDERER = Renderer("explanation", ExplanationNote, render)
