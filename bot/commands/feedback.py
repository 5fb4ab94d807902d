"""`kai history --feedback`: what people think of verdicts, and what they say was wrong, the newest first."""

from __future__ import annotations

import json
from typing import Any

from bot.commands.lists import columns
from bot.commands.output import as_yaml
from bot.report.sanitize import clean, escape_markdown
from bot.store import Feedback, StoredVerdict
from bot.store.store import Store
from sensors.kit.reported import rfc3339


async def told(store: Store, most: int, output: str) -> str:
    """The last opinions with the verdicts that they are about."""
    rows = [
        (each, await store.investigations.verdict(each.investigation)) for each in await store.opinions.latest(most)
    ]
    if output in ("json", "yaml"):
        entries = [_entry(*row) for row in rows]
        return as_yaml(entries) if output == "yaml" else json.dumps(entries, indent=2) + "\n"
    if not rows:
        return "Nobody has said what they think of a verdict yet.\n"
    table = [_row(*row) for row in rows]
    if output == "markdown":
        head = ["| at | id | by | opinion | verdict | words |", "| --- | --- | --- | --- | --- | --- |"]
        return "\n".join([*head, *(f"| {' | '.join(map(escape_markdown, row))} |" for row in table)]) + "\n"
    return columns(table)


def _row(it: Feedback, verdict: StoredVerdict | None) -> tuple[str, ...]:
    about = clean(f"{verdict.cause_class} {verdict.component}", 100) if verdict is not None else ""
    return (
        f"{it.at:%Y-%m-%d %H:%M}Z",
        clean(it.investigation, 40),
        clean(it.by, 40),
        it.opinion,
        about,
        clean(it.words, 600),
    )


def _entry(it: Feedback, verdict: StoredVerdict | None) -> dict[str, Any]:
    return {
        "investigation_id": it.investigation,
        "by": it.by,
        "opinion": it.opinion.value,
        "words": it.words,
        "at": rfc3339(it.at),
        "cause_class": verdict.cause_class if verdict else None,
        "component": verdict.component if verdict else None,
    }
