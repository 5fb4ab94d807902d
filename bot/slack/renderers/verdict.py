"""A verdict: the root message changes into it; one reply shows the place and what fails, one holds the rest, folded."""

from __future__ import annotations

from collections.abc import Sequence

from bot.desk import VerdictNote
from bot.desk.notes import Earlier
from bot.report import blocks, picture, thread
from bot.report.compared import Compared, compared
from bot.report.json_result import CannotDecode, decode
from bot.slack.notes import REST, Kept, Picture, RootState, ThreadReply
from bot.slack.renderer import Renderer
from bot.slack.renderers.ended import person_of
from bot.store import Investigation
from flows.model import Diagnosis


def render(note: VerdictNote) -> Sequence[Kept]:
    it, asked_by = note.investigation, person_of(note.investigation)
    try:
        diagnosis = decode(note.verdict.result)
    except CannotDecode as why:
        return (RootState(blocks.ended(it.request.target, "failed", str(why), it.id, asked_by, it.request.cluster)),)
    again = again_of(note.earlier, diagnosis)
    root = RootState(blocks.verdict(diagnosis, asked_by, it.request.cluster, again=again.words))
    pictures = () if again.same else (_picture(it, diagnosis),)
    return (root, *pictures, ThreadReply(REST, thread.rest(diagnosis)))


def again_of(earlier: Earlier | None, diagnosis: Diagnosis) -> Compared:
    """Compares with the last time; empty where there was none that can be read."""
    try:
        return NOT_AGAIN if earlier is None else compared(decode(earlier.verdict.result), earlier.at, diagnosis)
    except CannotDecode:
        return NOT_AGAIN


NOT_AGAIN = Compared(False, "")


def _picture(it: Investigation, diagnosis: Diagnosis) -> Picture:
    title = "Where it breaks" if diagnosis.fault_found else "The way of the packets"
    words, said = picture.alt(diagnosis), thread.failing(diagnosis)
    return Picture(f"kai-{it.id}.png", lambda: picture.png(picture.draw(diagnosis)), title, words, said)


RENDERER = Renderer("verdict", VerdictNote, render)
