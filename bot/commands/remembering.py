"""A terminal's investigation, kept where `kai history` and `kai show` find it; what cannot be kept is said so.

The report is printed before: nobody waits for a database, and what a store cannot do changes no exit code.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from bot.report.json_result import encode
from flows.model import Diagnosis
from sensors.kit import Target
from sensors.kit.reported import reported

FORGOTTEN_AFTER = timedelta(days=90)
"""What a terminal asked this long ago is forgotten, a batch at each run, as `kai serve` does by its own setting."""

COULD_NOT_KEEP = "not kept for kai history"


def remember(it: Diagnosis, database: str | None, asked_at: datetime) -> None:
    """Keep a verdict in the store at `database`, else in the person's own."""
    from bot.store.database import BadDatabase, Unreachable  # a second of imports, after the report is there

    try:
        asyncio.run(_keep(it, database, asked_at))
    except (BadDatabase, Unreachable, OSError) as why:
        print(f"kai: {COULD_NOT_KEEP}: {why}", file=sys.stderr)  # noqa: T201


async def _keep(it: Diagnosis, database: str | None, asked_at: datetime) -> None:
    from bot.store import EvidenceRow, OriginKind, Request
    from bot.store.location import default_url
    from bot.store.store import open_store

    where = f"case {it.provenance.recording.name}" if it.provenance.recording else "default"
    target = Target(it.target.pod, it.target.namespace, *it.target.peer)
    request = Request(target, it.flow, OriginKind.TERMINAL, who(), where[:100])
    rows = tuple(
        EvidenceRow(key, each.sensor, each.sight.value, each.summary, reported(each))
        for key, each in it.evidence.items()
    )
    async with open_store(database or default_url()) as store:
        now = datetime.now(UTC)
        await store.investigations.keep(it.investigation_id, request, encode(it), rows, asked_at, now)
        await store.retention.forget(now - FORGOTTEN_AFTER, now)


def who() -> str:
    """Name of the terminal's user; for a list, not for a decision."""
    return (os.environ.get("USER") or os.environ.get("LOGNAME") or "terminal")[:100]
