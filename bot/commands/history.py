"""`kai history`: what was investigated before, and the report of one investigation again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bot.store import EvidenceRow, Investigation, Verdict
    from bot.store.store import Store

MOST = 20


@click.command()
@click.argument("investigation", required=False, default="", metavar="[ID]")
@click.option("-n", "--number", "most", type=click.IntRange(1, 1000), default=MOST, show_default=True, metavar="N")
@click.option("-v", "--verbose", is_flag=True, help="Leave nothing out of a report.")
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", help="How to say it.")
@click.option(
    "--database",
    metavar="URL",
    envvar=["KAI_DATABASE_URL", "DATABASE_URL"],
    help="Where KAI remembers: sqlite:////path/kai.db or postgresql://… (KAI_DATABASE_URL, DATABASE_URL).",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show a trace with errors (or KAI_DEBUG=1).")
def history(investigation: str, most: int, verbose: bool, output: str, database: str | None) -> int:
    """The last N investigations, newest first; with ID (or its beginning), the report of that one again."""
    import asyncio

    from bot.errors import CouldNotLook, UsageMistake
    from bot.store.database import BadDatabase, Unreachable

    url = database or default_url()
    try:
        _check_file(url)
        told = asyncio.run(_told(url, investigation, most, output, verbose))
    except BadDatabase as why:
        raise UsageMistake(str(why)) from why
    except Unreachable as why:
        raise CouldNotLook(str(why)) from why
    if told is not None:
        from bot.commands.output import write

        write(told)
    return 0


def default_url() -> str:
    """A file in the person's own state folder, where nothing else is said."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return f"sqlite:///{Path(state).expanduser() / 'kai' / 'kai.db'}"


def _check_file(url: str) -> None:
    """Reading the past makes no database."""
    from bot.errors import UsageMistake
    from bot.store.database import file_of

    path = file_of(url)
    if path is not None and not path.exists():
        raise UsageMistake(f"nothing is remembered yet: there is no {path} (--database says where else to look)")


async def _told(url: str, word: str, most: int, output: str, verbose: bool) -> str | None:
    from bot.store.store import open_store

    async with open_store(url) as store:
        if not word:
            return _listed(await store.investigations.recent(most), output)
        one = await _meant(store, word)
        verdict = await store.investigations.verdict(one.id)
        if verdict is None:
            return _unconcluded(one, await store.investigations.evidence(one.id), output)
        return _again(verdict, output, verbose)


async def _meant(store: Store, word: str) -> Investigation:
    from bot.errors import UsageMistake

    found = await store.investigations.starting_with(word)
    exact = [each for each in found if each.id == word] or list(found)
    if not exact:
        raise UsageMistake(f"no investigation {word!r} is remembered (kai history lists them)")
    if len(exact) > 1:
        raise UsageMistake(f"{word!r} may be {', '.join(each.id for each in exact)}: say more of it")
    return exact[0]


# -- one of them -----------------------------------------------------------------------------------------------------


def _again(verdict: Verdict, output: str, verbose: bool) -> str | None:
    from bot.commands.output import say
    from bot.errors import CouldNotLook
    from bot.store.recall import CannotRecall, recall

    if output == "json":
        return _json(verdict.result)
    try:
        diagnosis, circumstances = recall(verdict.result)
    except CannotRecall as why:
        raise CouldNotLook(str(why)) from why
    say(diagnosis, circumstances, output, verbose=verbose)
    return None


def _unconcluded(it: Investigation, rows: tuple[EvidenceRow, ...], output: str) -> str:
    from bot.report.sanitize import clean, escape_markdown

    if output == "json":
        seen = [{"id": row.id, "sensor": row.sensor, "sight": row.sight, "summary": row.summary} for row in rows]
        return _json({**_entry(it, None), "evidence": seen})
    lines = [f"{it.request.target}: {it.state}{f', {it.why}' if it.why else ''}; there is no verdict."]
    lines += [f"- {row.id} {row.sensor}: {row.summary}" for row in rows]
    shown = (clean(line) for line in lines)
    return "".join(f"{escape_markdown(line) if output == 'markdown' else line}\n" for line in shown)


# -- all of them -----------------------------------------------------------------------------------------------------


def _listed(rows: tuple[tuple[Investigation, Verdict | None], ...], output: str) -> str:
    if output == "json":
        return _json([_entry(it, verdict) for it, verdict in rows])
    if not rows:
        return "Nothing is remembered yet.\n"
    from bot.commands.lists import columns

    table = [_row(it, verdict) for it, verdict in rows]
    return _markdown(table) if output == "markdown" else columns(table)


def _row(it: Investigation, verdict: Verdict | None) -> tuple[str, ...]:
    from bot.report.sanitize import clean

    asked = f"{it.request.origin} {it.request.asked_by}"
    target = f"{it.request.target} → {it.request.target.to}" if it.request.target.to else str(it.request.target)
    if verdict is None:
        end = f"{it.state}: {it.why}" if it.why else str(it.state)
    else:
        end = f"{verdict.cause_class} {verdict.confidence:.0%} {verdict.component}"
    return it.id, f"{it.asked_at:%Y-%m-%d %H:%M}Z", clean(asked, 40), clean(target, 120), clean(end, 200)


def _markdown(table: list[tuple[str, ...]]) -> str:
    from bot.report.sanitize import escape_markdown

    head = ["| id | asked at | by | target | what came of it |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *(f"| {' | '.join(map(escape_markdown, row))} |" for row in table)]) + "\n"


def _entry(it: Investigation, verdict: Verdict | None) -> dict[str, Any]:
    from bot.report.facts import rfc3339

    target = it.request.target
    return {
        "investigation_id": it.id,
        "state": it.state.value,
        "why": it.why,
        "flow": it.request.flow,
        "cluster": it.request.cluster,
        "target": {"pod": target.pod, "namespace": target.namespace, "to": target.to},
        "door": it.request.origin.value,
        "asked_by": it.request.asked_by,
        "asked_at": rfc3339(it.asked_at),
        "ended_at": rfc3339(it.ended_at) if it.ended_at else None,
        "cause_class": verdict.cause_class if verdict else None,
        "component": verdict.component if verdict else None,
        "confidence": verdict.confidence if verdict else None,
        "root_cause": verdict.root_cause if verdict else None,
    }


def _json(value: object) -> str:
    """All in ASCII: what a terminal might obey is an escape, which reads back as the same character."""
    import json

    return json.dumps(value, indent=2) + "\n"


__all__ = ["history"]
