"""A terminal's investigation, kept where `kai history` and `kai show` find it; what cannot be kept is said so.

The report is printed before: nobody waits for a database, and what a store cannot do changes no exit code.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.report.cluster_name import UNNAMED
from bot.report.json_result import encode
from bot.store import EvidenceRow, OriginKind, Request
from bot.store.location import default_url
from bot.store.records import rows_of
from bot.store.spool import FORGOTTEN_AFTER, bring_in, put
from flows.model import Diagnosis
from sensors.kit import Target

Run = tuple[Request, Mapping[str, Any], tuple[EvidenceRow, ...]]

COULD_NOT_KEEP = "not kept for kai history"


def remember(it: Diagnosis, database: str | None, asked_at: datetime) -> None:
    """Keep a verdict in the store at `database`, else in the person's own."""
    url, run = database or default_url(), _run(it)
    try:
        if put(url, it.investigation_id, *run, asked_at):
            return
    except OSError as why:
        print(f"kai: {COULD_NOT_KEEP}: {why}", file=sys.stderr)  # noqa: T201
        return
    from bot.store.database import BadDatabase, Unreachable  # half a second of imports, after the report is there

    try:
        asyncio.run(_keep(url, it.investigation_id, run, asked_at))
    except (BadDatabase, Unreachable, OSError) as why:
        print(f"kai: {COULD_NOT_KEEP}: {why}", file=sys.stderr)  # noqa: T201


def _run(it: Diagnosis) -> Run:
    where = f"case {it.provenance.recording.name}" if it.provenance.recording else it.provenance.name or UNNAMED
    target = Target(it.target.pod, it.target.namespace, *it.target.peer)
    request = Request(target, it.flow, OriginKind.TERMINAL, who(), where[:100])
    result = encode(it)
    return request, result, rows_of(result)


async def _keep(url: str, investigation: str, run: Run, asked_at: datetime) -> None:
    from bot.store.store import open_store

    async with open_store(url) as store:
        await bring_in(url, store)
        now = datetime.now(UTC)
        await store.investigations.keep(investigation, *run, asked_at, now)
        await store.retention.forget(now - FORGOTTEN_AFTER, now)


def who() -> str:
    """Name of the terminal's user; for a list, not for a decision."""
    return (os.environ.get("USER") or os.environ.get("LOGNAME") or "terminal")[:100]
