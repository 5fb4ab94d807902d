"""The report as Markdown, for a ticket or a thread: the same words, with everything from the cluster escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from bot.report.outline import Item, Point, Row, Section, ShellCommand
from bot.report.sanitize import escape_markdown


def render(sections: Iterable[Section]) -> str:
    """GitHub-flavoured Markdown; commands in fenced blocks, the ledger as a table."""
    return "\n\n".join(part for section in sections for part in _section(section)) + "\n"


def _section(section: Section) -> Iterator[str]:
    text = escape_markdown(section.text)
    yield f"**{section.title}:** {text}".rstrip() if section.title else f"_{text}_"
    for kind, items in groupby(section.items, key=type):
        yield from _group(kind, list(items))


def _group(kind: type, items: list[Item]) -> Iterator[str]:
    if kind is ShellCommand:
        yield from (fence(item.text) for item in items if isinstance(item, ShellCommand))
    elif kind is Row:
        yield _table([item for item in items if isinstance(item, Row)])
    else:
        yield "\n".join(_bullet(item) for item in items)


def _bullet(item: Item) -> str:
    lead = f"**{escape_markdown(item.lead)}**: " if isinstance(item, Point) and item.lead else ""
    text = "" if isinstance(item, Row) else item.text
    return f"- {lead}{escape_markdown(text)}"


def _table(rows: list[Row]) -> str:
    body = (f"| {escape_markdown(row.layer)} | {row.state} | {escape_markdown(row.why)} |" for row in rows)
    return "\n".join(("| layer | state | why |", "| --- | --- | --- |", *body))


def fence(command: str) -> str:
    """A code block that its own content cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", command)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}sh\n{command}\n{ticks}"
