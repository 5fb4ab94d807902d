"""Answers to questions about a verdict, from what was stored and by rules alone. What they do not cover is said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.report import blocks
from bot.report.blocks import STATE_WORDS, Said, section
from bot.report.mrkdwn import safe
from bot.report.outline import SectionPart, held_down_by, ledger, parts_of
from bot.triggers.followup import FollowUpQuestion, Topic
from flows.model import Diagnosis, LayerState
from sensors.kit import Sight

I_CAN_ONLY = (
    "I can only answer from this investigation: why? · is it DNS? · what did you not measure? · show fix · "
    "show evidence E3 · how sure? · For anything new, run it again."
)


def answer(question: FollowUpQuestion, it: Diagnosis) -> Said:
    """Answer from the stored diagnosis."""
    return _ANSWERS[question.topic](question, it)


def _why(question: FollowUpQuestion, it: Diagnosis) -> Said:
    because = it.reasoning or "nothing more was written down"
    shown = f" Shown by {safe(', '.join(it.shown_by))}." if it.shown_by else ""
    lines = [f"*{safe(it.root_cause, 1000).replace('*', '')}*", f"Because {safe(because, 1200)}.{shown}"]
    lines += [f"Also found: {safe(each.cause)} ({each.belief:.0%})" for each, _ in it.others[:3]]
    return _lines(lines)


def _not_measured(question: FollowUpQuestion, it: Diagnosis) -> Said:
    rows = [row for row in ledger(it) if row.state in (LayerState.NOT_MEASURED, LayerState.INCONCLUSIVE)]
    blind = [(key, each) for key, each in it.evidence.items() if each.sight is Sight.BLIND]
    if not rows and not blind:
        return _lines(["Every layer was measured and decided, and every sensor could look."])
    lines = [f"• *{row.layer.value.replace('_', ' ')}* {STATE_WORDS[row.state]}: {safe(row.why, 250)}" for row in rows]
    lines += [f"• *{key}* {safe(each.sensor)} could not look: {safe(each.why, 250)}" for key, each in blind[:8]]
    return _lines([f"*Not measured or not decided* (coverage {it.coverage:.0%})", *lines])


def _fix(question: FollowUpQuestion, it: Diagnosis) -> Said:
    parts = parts_of(it)
    if SectionPart.FIX not in parts and not it.recommended_action:
        return _lines(["This verdict proposes no change."])
    said = blocks.commands(it)
    told = [
        section(f"*{part}* {safe(parts[part].text, 1200)}")
        for part in (SectionPart.RECOMMENDATION, SectionPart.FIX)
        if part in parts
    ]
    return Said(
        safe(parts[SectionPart.FIX].text if SectionPart.FIX in parts else it.recommended_action), (*told, *said.blocks)
    )


def _evidence(question: FollowUpQuestion, it: Diagnosis) -> Said:
    if not question.evidence:
        lines = [f"• *{key}* {safe(each.sensor)}: {safe(each.summary, 200)}" for key, each in it.evidence.items()]
        return _lines(["*Evidence* (show evidence E3 shows one with its facts)", *lines])
    if question.evidence not in it.evidence:
        return _lines([f"There is no {question.evidence} here; there are {', '.join(map(safe, it.evidence))}."])
    return blocks.facts(question.evidence, it)


def _sure(question: FollowUpQuestion, it: Diagnosis) -> Said:
    cap = held_down_by(it)
    held = f"It is {safe(cap, 400)}." if cap else "Nothing that was not measured holds it down."
    lines = [f"*{it.confidence:.0%} sure.* {held} Coverage {it.coverage:.0%}."]
    rivals = [f"Less believed: {safe(each.cause)} ({each.belief:.0%})" for each, _ in it.others[:2]]
    return _lines([*lines, *rivals])


def _layer(question: FollowUpQuestion, it: Diagnosis) -> Said:
    said = dict(blocks.replies(it)).get(question.layer.value if question.layer else "")
    return said or _unknown(question, it)


def _unknown(question: FollowUpQuestion, it: Diagnosis) -> Said:
    return _lines([I_CAN_ONLY])


def _lines(lines: list[str]) -> Said:
    return Said(lines[0].replace("*", ""), (section(blocks.few(lines)),))


_ANSWERS: Mapping[Topic, Callable[[FollowUpQuestion, Diagnosis], Said]] = {
    Topic.WHY: _why,
    Topic.NOT_MEASURED: _not_measured,
    Topic.FIX: _fix,
    Topic.EVIDENCE: _evidence,
    Topic.SURE: _sure,
    Topic.LAYER: _layer,
    Topic.UNKNOWN: _unknown,
}
