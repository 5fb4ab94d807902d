"""Lists of investigations: what runs, what was found lately, and the home tab. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.alerts.skipped import MOST_SHOWN, SkippedLine
from bot.report.blocks import Said, SlackBlock, few, plain_text, reason, section
from bot.report.mrkdwn import safe
from bot.report.short_answer import VerdictStatus, as_asked, status_of_class
from bot.slack.form import OPEN_FORM
from bot.store import Investigation, InvestigationState, StoredVerdict

SHOW = "kai_show"
MAX_ROWS = 10

Rows = Sequence[tuple[Investigation, StoredVerdict | None]]


def status(rows: Sequence[tuple[Investigation, int]], skipped: Sequence[SkippedLine] = ()) -> Said:
    """Running investigations, with how many looks have answered; then alerts that started none."""
    heading = f"*Alerts skipped in the last hour* ({MOST_SHOWN} at most)"
    also = (section(few([heading, *map(_skipped, skipped)])),) if skipped else ()
    if not rows:
        return Said("Nothing is being looked into now.", (section("Nothing is being looked into now."), *also))
    lines = [f"• {_title(it)}: {_state(it)}, {answered} looks done (id {it.id})" for it, answered in rows[:MAX_ROWS]]
    left = [f"… and {len(rows) - MAX_ROWS} more"] if len(rows) > MAX_ROWS else []
    return Said(f"{len(rows)} under way", (section("\n".join([f"*{len(rows)} under way*", *lines, *left])), *also))


def _skipped(it: SkippedLine) -> str:
    where = f"{safe(it.namespace, 63)}{f' --cluster {safe(it.cluster, 63)}' if it.cluster else ''}"
    anyway = f" Investigate anyway: `/kai netdebug {safe(it.pod, 120)} {where}`" if it.pod else ""
    return f"• {safe(it.name, 100)}, {_when(it.at)}: {safe(it.why, 250).rstrip('.')}.{anyway}"


def history(rows: Rows) -> Said:
    """The newest investigations and what came of them."""
    if not rows:
        return Said("Nothing has been investigated yet.", (section("Nothing has been investigated yet."),))
    lines = [
        f"• {_title(it)}: {_end(it, verdict)} ({_when(it.asked_at)}, id {it.id})" for it, verdict in rows[:MAX_ROWS]
    ]
    return Said("The latest investigations", (section(few(["*The latest investigations*", *lines])),))


def home(rows: Rows) -> dict[str, Any]:
    """The home tab: ask, and what was found lately."""
    ask = {"type": "button", "action_id": OPEN_FORM, "text": plain_text("Investigate a pod"), "value": "{}"}
    head: tuple[SlackBlock, ...] = (
        {"type": "header", "text": plain_text("Why can this pod not talk?")},
        section(
            "KAI looks at every layer at once, names the cause with its evidence, and proves a fix before anybody "
            "applies it. Its own account changes nothing in your cluster: a fix is made with the approver's rights."
        ),
        {"type": "actions", "elements": [{**ask, "style": "primary"}]},
        {"type": "divider"},
        {"type": "header", "text": plain_text("Latest investigations")},
    )
    listed = [_row(group) for group in _groups(rows)[:MAX_ROWS]] or [section("None yet.")]
    return {"type": "home", "blocks": [*head, *listed]}


def _groups(rows: Rows) -> list[Rows]:
    """What found the same of the same target stands in one row, the newest first."""
    found: dict[tuple[str, str], list[tuple[Investigation, StoredVerdict | None]]] = {}
    for it, verdict in rows:
        end = f"{verdict.cause_class} {verdict.component}" if verdict is not None else it.state.value
        found.setdefault((_title(it), end), []).append((it, verdict))
    return list(found.values())


def _row(group: Rows) -> SlackBlock:
    (it, verdict), times = group[0], len(group)
    show = {
        "type": "button",
        "action_id": SHOW,
        "text": plain_text("Show"),
        "value": it.id,
        "accessibility_label": f"Show investigation {it.id}",
    }
    often = f" · {times} times, first {_when(group[-1][0].asked_at)}" if times > 1 else ""
    text = f"{_status(verdict)} *{_title(it)}*\n{_end(it, verdict)} · {_when(it.asked_at)}{often}"
    return {**section(text), **({"accessory": show} if verdict else {})}


def _status(verdict: StoredVerdict | None) -> VerdictStatus:
    return VerdictStatus.UNDECIDED if verdict is None else status_of_class(verdict.cause_class)


def _title(it: Investigation) -> str:
    target = it.request.target
    return safe(f"{target} → {target.to}" if target.to else target, 200)


def _state(it: Investigation) -> str:
    return "waiting" if it.state is InvestigationState.QUEUED else "running"


def _end(it: Investigation, verdict: StoredVerdict | None) -> str:
    if verdict is not None:
        return f"{safe(as_asked(verdict.root_cause), 160)} ({verdict.confidence:.0%})"
    if it.is_live:
        return _state(it)
    if it.state is InvestigationState.CANCELLED:
        return reason(it.why or it.state, 160)
    return safe(f"{it.state}: {it.why}" if it.why else it.state, 160)


def _when(moment: datetime) -> str:
    """In the reader's own time; for those who cannot show it, in UTC."""
    return (
        f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"
    )
