"""`kai history --cost`: what Claude was asked and what it cost, the newest first, and the sums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot.commands.lists import columns
from bot.report.sanitize import clean
from bot.store.claude_calls import PaidCall
from bot.store.store import Store
from sensors.kit.reported import rfc3339

DAYS = (1, 30)
"""The spans, in days, whose sums are told."""


async def told(store: Store, word: str, most: int, output: str) -> str:
    """The last calls, or those about one investigation (by the beginning of its id)."""
    every = [each for each in await store.claude_calls.all() if each.investigation.startswith(word)]
    calls = every[::-1][:most]
    if output == "json":
        return json.dumps({"calls": [_entry(each) for each in calls], "sums": _sums(every)}, indent=2) + "\n"
    if not calls:
        return "Claude was not asked about anything that is remembered.\n"
    return columns([_row(each) for each in calls]) + "".join(f"{line}\n" for line in _told_sums(every))


def _row(it: PaidCall) -> tuple[str, ...]:
    read = it.spent.input + it.spent.cache_read + it.spent.cache_write
    end = "answered" if it.answered else "no answer" if it.ended_at else "broke off"
    return (
        clean(it.investigation, 40),
        f"{it.begun_at:%Y-%m-%d %H:%M}Z",
        clean(it.person, 40),
        clean(it.model, 40),
        clean(it.purpose, 20),
        f"{read:,} in ({it.spent.cache_read:,} cached), {it.spent.output:,} out",
        f"${it.cost_usd:.4f}",
        end,
    )


def _sums(calls: Sequence[PaidCall]) -> dict[str, float]:
    now = datetime.now(UTC)
    sums = {
        f"last_{days}_days_usd": sum(each.cost_usd for each in calls if now - each.begun_at <= timedelta(days=days))
        for days in DAYS
    }
    return {name: round(value, 6) for name, value in {**sums, "all_usd": sum(each.cost_usd for each in calls)}.items()}


def _told_sums(calls: Sequence[PaidCall]) -> list[str]:
    sums = _sums(calls)
    count = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
    spans = ", ".join(f"${sums[f'last_{days}_days_usd']:.4f} in the last {days * 24} hours" for days in DAYS)
    return [
        "",
        f"{count}, ${sums['all_usd']:.4f} in all that is remembered, {spans}, at the list price of the settings",
    ]


def _entry(it: PaidCall) -> dict[str, object]:
    return {
        "investigation_id": it.investigation,
        "begun_at": rfc3339(it.begun_at),
        "ended_at": rfc3339(it.ended_at) if it.ended_at else None,
        "person": it.person,
        "model": it.model,
        "purpose": it.purpose,
        "input_tokens": it.spent.input,
        "output_tokens": it.spent.output,
        "cache_read_tokens": it.spent.cache_read,
        "cache_write_tokens": it.spent.cache_write,
        "estimated_tokens": it.estimated_tokens,
        "cost_usd": it.cost_usd,
        "answered": it.answered,
    }
