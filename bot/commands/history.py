"""`kai history`: what was investigated before; `kai show`: the report of one investigation again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bot.commands import feedback, spending
from bot.commands.lists import columns, markdown_table
from bot.commands.output import Style, as_data, say, write
from bot.errors import CouldNotLook, UsageMistake
from bot.report.json_result import CannotDecode, decode
from bot.report.outline import command_lines
from bot.report.sanitize import clean, escape_markdown
from bot.store import EvidenceRow, Investigation, StoredVerdict
from bot.store.database import BadDatabase, Unreachable, file_of
from bot.store.location import default_url
from bot.store.spool import bring_in, waiting
from bot.store.store import Store, open_store
from flows.model import Diagnosis
from sensors.kit.reported import rfc3339

T = TypeVar("T")


def history(
    most: int, namespace: str | None, output: str, database: str | None, cost: bool = False, opinions: bool = False
) -> int:
    """The last investigations, newest first; or what Claude was asked (`cost`), or what people think of them."""

    async def told(store: Store) -> str:
        if cost:
            return await spending.told(store, "", most, output)
        if opinions:
            return await feedback.told(store, most, output)
        return await _listing(store, most, namespace or "", output)

    write(with_store(database, told))
    return 0


def show(investigation: str, part: str, verbose: bool, quiet: bool, output: str, database: str | None) -> int:
    """The report of one investigation again; with `part` only the commands of its fix, or of its undoing."""
    found, verdict, rows = with_store(database, lambda store: _one(store, investigation))
    if verdict is None:
        write(_unconcluded(found, rows, output))
    elif output == "json" and not part:
        write(as_data(verdict.result, "json"))
    elif part == "brief":
        write(_sent(_diagnosis(verdict)))
    elif part:
        write(_commands(_diagnosis(verdict), part))
    else:
        say(_diagnosis(verdict), Style(output, verbose, quiet))
    return 0


def with_store(database: str | None, act: Callable[[Store], Awaitable[T]]) -> T:
    """Result of `act` over the store. Raises `UsageMistake` where nothing is kept: reading makes no store."""
    url = database or default_url()

    async def opened() -> T:
        async with open_store(url) as store:
            await bring_in(url, store)
            return await act(store)

    try:
        _check_file(url)
        return asyncio.run(opened())
    except BadDatabase as why:
        raise UsageMistake(str(why)) from why
    except Unreachable as why:
        raise CouldNotLook(str(why)) from why


def _check_file(url: str) -> None:
    """Reading the past makes no database."""
    path = file_of(url)
    if path is not None and not path.exists() and not waiting(url):
        raise UsageMistake(f"nothing is remembered yet: there is no {path} (--database says where else to look)")


async def _listing(store: Store, most: int, namespace: str, output: str) -> str:
    return _listed(await store.investigations.recent(most, namespace), output)


async def one_of(store: Store, word: str) -> Diagnosis:
    """The kept diagnosis that an id, or its beginning, means. Raises `UsageMistake`, `CouldNotLook`."""
    found, verdict, _ = await _one(store, word)
    if verdict is None:
        raise UsageMistake(f"{found.id} has no verdict ({found.why or found.state})")
    return _diagnosis(verdict)


async def _one(store: Store, word: str) -> tuple[Investigation, StoredVerdict | None, tuple[EvidenceRow, ...]]:
    one = await _meant(store, word)
    verdict = await store.investigations.verdict(one.id)
    return one, verdict, () if verdict else await store.investigations.evidence(one.id)


async def _meant(store: Store, word: str) -> Investigation:
    found = await store.investigations.starting_with(word)
    exact = [each for each in found if each.id == word] or list(found)
    if not exact:
        raise UsageMistake(f"no investigation {word!r} is remembered (kai history lists them)")
    if len(exact) > 1:
        raise UsageMistake(f"{word!r} may be {', '.join(each.id for each in exact)}: say more of it")
    return exact[0]


# -- one of them -----------------------------------------------------------------------------------------------------


def _sent(it: Diagnosis) -> str:
    said = it.explanation.sent if it.explanation else ""
    if not said:
        raise UsageMistake(f"Claude was told nothing of {it.investigation_id}")
    return said


def _diagnosis(verdict: StoredVerdict) -> Diagnosis:
    try:
        return decode(verdict.result)
    except CannotDecode as why:
        raise CouldNotLook(str(why)) from why


def _commands(it: Diagnosis, part: str) -> str:
    """Commands for a shell: `kai show ID --fix | sh`."""
    typed = command_lines(it.fix, "undo" if part == "undo" else "kubectl") if not it.fix.refused else []
    if not typed:
        raise UsageMistake(f"{it.investigation_id} proposes no change (kai show {it.investigation_id} says why)")
    return "".join(f"{each.text}\n" for each in typed)


def _unconcluded(it: Investigation, rows: tuple[EvidenceRow, ...], output: str) -> str:
    if output in ("json", "yaml"):
        seen = [{"id": row.id, "sensor": row.sensor, "sight": row.sight, "summary": row.summary} for row in rows]
        return as_data({**_entry(it, None), "evidence": seen}, output)
    lines = [f"{it.request.target}: {it.state}{f', {it.why}' if it.why else ''}; there is no verdict."]
    lines += [f"- {row.id} {row.sensor}: {row.summary}" for row in rows]
    shown = (clean(line) for line in lines)
    return "".join(f"{escape_markdown(line) if output == 'markdown' else line}\n" for line in shown)


# -- all of them -----------------------------------------------------------------------------------------------------


def _listed(rows: tuple[tuple[Investigation, StoredVerdict | None], ...], output: str) -> str:
    if output in ("json", "yaml"):
        return as_data([_entry(it, verdict) for it, verdict in rows], output)
    if not rows:
        return "Nothing is remembered yet.\n"
    table = [_row(it, verdict) for it, verdict in rows]
    heads = ("id", "asked at", "by", "target", "what came of it")
    return markdown_table(heads, table) if output == "markdown" else columns(table)


def _row(it: Investigation, verdict: StoredVerdict | None) -> tuple[str, ...]:
    asked = f"{it.request.origin} {it.request.asked_by}"
    target = f"{it.request.target} → {it.request.target.to}" if it.request.target.to else str(it.request.target)
    if verdict is None:
        end = f"{it.state}: {it.why}" if it.why else str(it.state)
    else:
        end = f"{verdict.cause_class} {verdict.confidence:.0%} {verdict.component}"
    return it.id, f"{it.asked_at:%Y-%m-%d %H:%M}Z", clean(asked, 40), clean(target, 120), clean(end, 200)


def _entry(it: Investigation, verdict: StoredVerdict | None) -> dict[str, Any]:
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
