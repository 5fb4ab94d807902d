"""`Why not DNS?`: what speaks for and against a layer or a cause that a person has in mind.

Nothing is ruled out that was not measured: a cause whose rule lacked its facts is undecided, whatever its layer says.
"""

from __future__ import annotations

from bot.answers.question import Question
from bot.report import details, thread
from bot.report.blocks import Said, few, layer_name, section
from bot.report.mrkdwn import safe
from bot.report.outline import ledger
from bot.report.sanitize import clean
from bot.report.short_answer import cause_of, sentence
from flows.catalog import rules
from flows.causes import CAUSES, Layer
from flows.model import Diagnosis, LayerRow, LayerState

MOST = 3
"""Layers or causes that one answer speaks of."""


def about(question: Question, it: Diagnosis) -> Said:
    """An answer for each layer and cause that was named."""
    if question.causes:
        causes = sorted(question.causes, key=lambda each: each != it.cause_class)[:MOST]
        said = few([line for each in causes for line in _of_cause(each, it)])
        return Said(said.partition("\n")[0].replace("*", ""), (section(said),))
    rows = [row for row in ledger(it) if row.layer in question.layers][:MOST]
    parts = [details.layer(row, it) for row in rows]
    return Said(" ".join(each.text for each in parts), tuple(block for each in parts for block in each.blocks))


def _of_cause(cause: str, it: Diagnosis) -> list[str]:
    if cause == it.cause_class:
        return [f"*Yes: {safe(cause)} is the root cause.* {safe(cause_of(it, 600), 700)}", _reasons(it)]
    found = next((each for each, _ in it.others if each.cause_class == cause), None)
    if found is not None:
        hidden = " It is hidden behind the root cause." if it.is_hidden(found) else ""
        return [f"*{safe(cause)} was found, too ({found.belief:.0%}).* {safe(sentence(clean(found.cause)))}{hidden}"]
    if doubts := _doubts(cause, it):
        return [f"*{safe(cause)} could not be decided.* {safe(sentence(clean(doubts[0])), 400)}"]
    return _not_found(cause, it)


def _reasons(it: Diagnosis) -> str:
    return safe(sentence(clean(it.reasoning)), 900)


def _doubts(cause: str, it: Diagnosis) -> list[str]:
    """Why the rules that could name this cause could not tell."""
    known = rules()
    return [each.why for each in it.doubts if each.rule in known and cause in known[each.rule].causes]


def _not_found(cause: str, it: Diagnosis) -> list[str]:
    """The rule had its facts and did not find it; its layer's row says what was seen instead."""
    layer = CAUSES[cause].layer
    row = next((each for each in ledger(it) if each.layer is layer), None)
    head = f"*{safe(cause)} was not found.*"
    if row is None:
        return [head]
    if row.state is LayerState.NOT_MEASURED:
        return [f"*{safe(cause)} is not ruled out:* its layer was not measured. {safe(sentence(clean(row.why)), 400)}"]
    return [f"{head} {_of_layer(row, it)}", *_looks(row, it)]


def _of_layer(row: LayerRow, it: Diagnosis) -> str:
    if row.state is LayerState.FAIL and row.layer is _layer_of(it):
        return f"What fails in {layer_name(row)} is something else: {safe(cause_of(it, 400))}"
    state = {LayerState.PASS: "passed", LayerState.FAIL: "fails"}.get(row.state, "is not decided")
    return f"The layer {layer_name(row)} {state}: {safe(sentence(clean(row.why)), 400)}"


def _layer_of(it: Diagnosis) -> Layer | None:
    return CAUSES[it.cause_class].layer


def _looks(row: LayerRow, it: Diagnosis) -> list[str]:
    """The evidence that speaks against it."""
    return [thread.look(key, it.evidence[key]) for key in row.evidence if key in it.evidence][:MOST]
