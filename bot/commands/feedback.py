"""`kai history --feedback`: what people think of verdicts, and what they say was wrong, the newest first."""

from __future__ import annotations

from typing import Any

from bot.commands.lists import columns, markdown_table
from bot.commands.output import as_data
from bot.report.sanitize import clean
from bot.store import Feedback
from bot.store.store import Store
from sensors.kit.reported import rfc3339


async def told(store: Store, most: int, output: str) -> str:
    """The last opinions with the verdicts that they are about."""
    rows = await store.opinions.latest(most)
    if output in ("json", "yaml"):
        return as_data([_entry(*row) for row in rows], output)
    if not rows:
        return "Nobody has said what they think of a verdict yet.\n"
    table = [_row(*row) for row in rows]
    heads = ("at", "id", "by", "opinion", "verdict", "words")
    return markdown_table(heads, table) if output == "markdown" else columns(table)


def _row(it: Feedback, cause_class: str | None, component: str | None) -> tuple[str, ...]:
    about = clean(f"{cause_class} {component}", 100) if cause_class is not None else ""
    return (
        f"{it.at:%Y-%m-%d %H:%M}Z",
        clean(it.investigation, 40),
        clean(it.by, 40),
        it.opinion,
        about,
        clean(it.words, 600),
    )


def _entry(it: Feedback, cause_class: str | None, component: str | None) -> dict[str, Any]:
    return {
        "investigation_id": it.investigation,
        "by": it.by,
        "opinion": it.opinion.value,
        "words": it.words,
        "at": rfc3339(it.at),
        "cause_class": cause_class,
        "component": component,
    }
