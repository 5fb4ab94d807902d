"""First replies in the thread of a verdict: what fails and why, then what passed and what could not be decided, folded.

Two messages, whatever the verdict. Everything else is said when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.report.blocks import CODE, Said, SlackBlock, few, fold, layer_name, section
from bot.report.mrkdwn import safe
from bot.report.outline import brief, held_down_by, ledger
from bot.report.sanitize import clean
from bot.report.short_answer import sentence
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit import Evidence, Sight

LONGEST_REASON, LONGEST_LOOK, SHORT_LOOK = 900, 330, 150
"""Characters of the reasons, of one look, and of one beside the picture, where the whole stands in the other reply."""

UNDECIDED = (LayerState.INCONCLUSIVE, LayerState.NOT_MEASURED)


def failing(it: Diagnosis) -> Said:
    """The failing layer, why, and the looks that show it; its text is the whole message, to stand over a picture."""
    lines = [
        _heading(it),
        *_because(it),
        *(look(key, it.evidence[key], SHORT_LOOK) for key in it.shown_by if key in it.evidence),
    ]
    lines += [f"Also found: {safe(sentence(each.cause), 250)}" for each, _ in it.others[:2]]
    text = few(lines)
    return Said(text, (section(text),))


def _heading(it: Diagnosis) -> str:
    failed = [layer_name(row) for row in ledger(it) if row.state is LayerState.FAIL]
    if not failed:
        return "*No layer fails*"
    return f"*Failing: {safe(', '.join(failed))}* ({safe(it.cause_class)})"


def _because(it: Diagnosis) -> Iterator[str]:
    cap = held_down_by(it)
    for each in (it.reasoning, f"The confidence is {cap}" if cap else ""):
        if each:
            yield safe(sentence(clean(each)), LONGEST_REASON)


def rest(it: Diagnosis) -> Said:
    """Passing and undecided layers, each group folded, and every look in a line."""
    passed, undecided = _passed(it), _undecided(it)
    text = safe(f"{_names('Passed', passed)} {_names('Not decided', undecided)}".strip() or "No layer was measured.")
    looks = _looks(it)
    return Said(text, (*decided(it), *((looks,) if looks is not None else ())))


def decided(it: Diagnosis) -> tuple[SlackBlock, ...]:
    """Passing and undecided layers with their reasons, each group folded."""
    groups = (_group("Passed", _passed(it)), _group("Not decided", _undecided(it)))
    return tuple(each for each in groups if each is not None)


def _passed(it: Diagnosis) -> list[LayerRow]:
    return [row for row in ledger(it) if row.state is LayerState.PASS]


def _undecided(it: Diagnosis) -> list[LayerRow]:
    return [row for row in ledger(it) if row.state in UNDECIDED]


def _names(title: str, rows: Sequence[LayerRow]) -> str:
    return f"{title}: {', '.join(map(layer_name, rows))}." if rows else ""


def _group(title: str, rows: Sequence[LayerRow]) -> SlackBlock | None:
    if not rows:
        return None
    lines = [f"• *{safe(layer_name(row))}* {_state(row)}{safe(row.why, LONGEST_LOOK)}" for row in rows]
    return fold(f"{title}: {', '.join(map(layer_name, rows))}", [section(few(lines))])


def _state(row: LayerRow) -> str:
    return "not measured: " if row.state is LayerState.NOT_MEASURED else ""


def _looks(it: Diagnosis) -> SlackBlock | None:
    """All looks, folded into as many sections as they need; the first is cut rather than the message refused."""
    lines = [look(key, each) for key, each in it.evidence.items()]
    if not lines:
        return None
    blind = sum(each.sight is Sight.BLIND for each in it.evidence.values())
    missing = f", {blind} not measured" if blind else ""
    count = f"{len(lines)} {'look' if len(lines) == 1 else 'looks'}"
    return fold(f"Evidence: {count}{missing}", [section(each) for each in _pages(lines)])


def _pages(lines: Sequence[str], longest: int = 2900, most: int = CODE) -> Iterator[str]:
    page: list[str] = []
    used = 0
    for number, line in enumerate(lines):
        if used + len(line) > most:
            page.append(f"… {len(lines) - number} more looks")
            break
        if page and sum(len(each) + 1 for each in page) + len(line) > longest:
            yield "\n".join(page)
            page = []
        page.append(line)
        used += len(line)
    yield "\n".join(page)


def look(key: str, evidence: Evidence, longest: int = LONGEST_LOOK) -> str:
    """One look in a line."""
    sight = {Sight.BLIND: "not measured: ", Sight.ABSENT: "absent: "}.get(evidence.sight, "")
    return f"• *{key}* {safe(evidence.sensor, 60)}: {sight}{safe(brief(clean(evidence.summary), longest))}"
