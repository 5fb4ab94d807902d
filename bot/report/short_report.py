"""The report that a terminal shows unless somebody asks for all of it: some twenty lines, each fact once.

The cause, since when and after which change, the fix and its undoing, the layers that fail or could not be measured.
What passed is counted; `-v` shows it (`bot.report.outline`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.report.outline import (
    Item,
    Row,
    Section,
    SectionPart,
    ShellCommand,
    TextLine,
    Tone,
    also_affected,
    brief,
    changed_ways,
    claude,
    command_lines,
    held_down_by,
    ledger,
    made_from,
)
from bot.report.sanitize import clean
from bot.report.short_answer import ShortAnswer, VerdictStatus, replay_words, short_answer
from bot.report.short_answer import layer_names as names
from flows.model import Diagnosis, Fix, LayerRow, LayerState
from sensors.kit import Sight

MOST_COMMAND_LINES = 6
"""Lines that the commands of a fix and of its undoing may take; longer ones are shown on request."""

COLUMNS = 95
"""Columns that a line of a command is counted with: terminals differ, the report does not."""

WHY, SENSORS = 66, 5
"""Characters of a layer's reason, and sensors that are named, in one line each."""

SIGNS = {
    VerdictStatus.FAILING: "✖",
    VerdictStatus.DEGRADED: "!",
    VerdictStatus.UNDECIDED: "?",
    VerdictStatus.HEALTHY: "✔",
}
TONES = {
    VerdictStatus.FAILING: Tone.BAD,
    VerdictStatus.DEGRADED: Tone.UNSURE,
    VerdictStatus.UNDECIDED: Tone.UNSURE,
    VerdictStatus.HEALTHY: Tone.GOOD,
}


def headline(it: Diagnosis) -> Section:
    """`✖ production/api-server → 10.96.0.1:443: blocked (96% sure)`: the first line, and on a terminal the last."""
    short = short_answer(it)
    text = f"{SIGNS[short.status]} {short.headline} ({it.confidence:.0%} sure)"
    return Section(SectionPart.HEADLINE, text, tone=TONES[short.status])


def verdict_line(it: Diagnosis) -> str:
    """The headline and the cause, in one line."""
    return f"{headline(it).text}: {short_answer(it).cause}"


def short_report(it: Diagnosis, remembered: bool = False) -> tuple[Section, ...]:
    """The sections; empty ones are left out. `remembered`: `kai show` knows its id."""
    short = short_answer(it)
    sections = (
        headline(it),
        Section(SectionPart.ROOT_CAUSE, short.cause, tone=TONES[short.status]),
        _wire(short),
        _since(short),
        also_affected(it),
        _capped(it),
        *_remedy(it, short, remembered),
        _explanation(it),
        _also_found(it),
        _layers(it),
        _foot(it, remembered),
    )
    return tuple(each for each in sections if each.text or each.items)


def _wire(short: ShortAnswer) -> Section:
    return Section(SectionPart.WIRE, short.wire)


def _since(short: ShortAnswer) -> Section:
    return Section(SectionPart.SINCE, "; ".join(filter(None, (short.since, short.lost))))


def _capped(it: Diagnosis) -> Section:
    cap = held_down_by(it)
    return Section(SectionPart.CONFIDENCE, f"{it.confidence:.0%} ({cap})" if cap else "")


def _explanation(it: Diagnosis) -> Section:
    """Two lines of what Claude adds; -v has all of it."""
    whole = claude(it)
    return replace(whole, items=whole.items[:2])


# -- the fix ----------------------------------------------------------------------------------------------------------


def _remedy(it: Diagnosis, short: ShortAnswer, remembered: bool) -> Iterator[Section]:
    fix = it.fix
    if fix.refused or not (fix.kubectl or fix.also):
        label, _, text = short.fix.partition(": ")
        part = SectionPart.NO_FIX if label == SectionPart.NO_FIX.value else SectionPart.NEXT_STEP
        yield Section(part, text.strip())
        return
    commands, undo = command_lines(fix, "kubectl"), command_lines(fix, "undo")
    is_long = sum(map(_height, (*commands, *undo))) > MOST_COMMAND_LINES
    shown: Sequence[Item] = [_on_request(it, remembered)] if is_long else commands
    yield Section(SectionPart.FIX, _title(fix), (*shown, *_effects(fix)))
    if not is_long:
        yield Section(SectionPart.UNDO, items=tuple(undo))
    elif sum(map(_height, undo)) == 1:
        yield Section(SectionPart.UNDO, undo[0].text)


def _title(fix: Fix) -> str:
    return f"{clean(fix.title)}{'' if fix.automatic else ' (for a person to review first)'}"


def _height(command: ShellCommand) -> int:
    """Lines that a command takes."""
    return sum(1 + len(line) // COLUMNS for line in command.text.split("\n"))


def _on_request(it: Diagnosis, remembered: bool) -> TextLine:
    how = f"kai show {clean(it.investigation_id, 40)} --fix" if remembered else "-v"
    return TextLine(f"The command is long: {how} prints it.", Tone.QUIET)


def _effects(fix: Fix) -> Iterator[Item]:
    holds = fix.proof is not None and fix.proof.holds
    yield TextLine(replay_words(fix), Tone.GOOD if holds else Tone.UNSURE if fix.proof else Tone.QUIET)
    yield from changed_ways(fix)
    if any(each.disruptive for each in (fix, *fix.also)):
        yield TextLine("Disruptive: it interrupts other traffic or restarts something.", Tone.UNSURE)


def _foot(it: Diagnosis, remembered: bool) -> Section:
    """`made_from`, and the id where something remembers it."""
    text = " · ".join(filter(None, (made_from(it), f"id {clean(it.investigation_id, 40)}" if remembered else "")))
    return Section(SectionPart.FOOTER, text, tone=Tone.QUIET)


# -- the rest ---------------------------------------------------------------------------------------------------------


def _also_found(it: Diagnosis) -> Section:
    found = [f"{brief(clean(each.cause), 90)} ({each.belief:.0%})" for each, _ in it.others[:2]]
    more = len(it.others) - len(found)
    return Section(SectionPart.ALSO_FOUND, "; ".join([*found, *([f"{more} more, see -v"] if more else [])]))


def _layers(it: Diagnosis) -> Section:
    rows = [row for row in ledger(it) if row.state is not LayerState.PASS]
    passed = [row for row in ledger(it) if row.state is LayerState.PASS]
    return Section(SectionPart.LAYERS, items=(*(_row(row, it) for row in rows), *_passed(passed), *_blind(it)))


_STATES = {
    LayerState.FAIL: ("fail", Tone.BAD),
    LayerState.INCONCLUSIVE: ("undecided", Tone.UNSURE),
    LayerState.NOT_MEASURED: ("not measured", Tone.QUIET),
}


def _row(row: LayerRow, it: Diagnosis) -> Row:
    state, tone = _STATES[row.state]
    why = it.cause_class if it.root_cause in row.why else brief(clean(row.why), WHY)
    return Row(row.layer.value.replace("_", " "), state, why, tone)


def _passed(rows: Sequence[LayerRow]) -> Iterator[TextLine]:
    if rows:
        count = "1 layer passes" if len(rows) == 1 else f"{len(rows)} layers pass"
        yield TextLine(f"{count} ({names(rows)}); details with -v", Tone.QUIET)


def _blind(it: Diagnosis) -> Iterator[TextLine]:
    blind = [clean(each.sensor, 40) for each in it.evidence.values() if each.sight is Sight.BLIND]
    more = f" and {len(blind) - SENSORS} more" if len(blind) > SENSORS else ""
    if blind:
        yield TextLine(f"Not measured by: {', '.join(blind[:SENSORS])}{more}", Tone.UNSURE)
