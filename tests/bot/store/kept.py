"""Rows of every table as a release wrote them: python -m tests.bot.store.kept VERSION makes the file of this version.

A file is made once, when a version is released, and never again: what stands in it is what people's databases hold.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, text

from bot.approval.trail import TrailEvent, TrailNote
from bot.store.database import Database
from bot.store.migrate import VERSIONS
from bot.store.records import Feedback, Opinion
from bot.store.store import Store, open_store
from bot.store.upgrade import _config
from flows.agent.asking import PlannedCall
from flows.agent.money import Ceilings, SpentTokens
from tests.bot.approval.making import approval, proposal
from tests.bot.store.words import NOW, admitted, concluded, request

FOLDER = Path(__file__).parent / "releases"


async def fill(store: Store) -> None:
    """Something in every table, by the store's own hands."""
    await concluded(store, "done", request("web"))
    await admitted(store, "waiting", request("api", asked_by="U2"), once="alert-1")
    it = proposal(investigation="done")
    await store.proposals.create(
        it, [TrailNote(TrailEvent.PROPOSED, "kai", {"why": "a test"})], NOW, given=[approval(it)]
    )
    await store.audit.append(it.id, TrailNote(TrailEvent.REFUSED, "U9", {"why": "not mapped"}), NOW)
    await store.opinions.keep(Feedback("done", "U1", Opinion.RIGHT, "", NOW))
    await store.seen.first_time("delivery-1", NOW, timedelta(days=1))
    await store.heard.keep({"alert-2": {"labels": {"pod": "web"}}}, "owner", NOW, NOW - timedelta(days=1))
    calls = store.claude_calls.within(Ceilings())
    call = PlannedCall("done.explain", "done", "U1", "claude-sonnet-5-5", "explain", 100, 0.1)
    await calls.begin(call)
    await calls.end(call.key, SpentTokens(10, 20), 0.01, {"text": "said"})


async def rows_of(database: Database) -> dict[str, Any]:
    """The revision, and each table's rows as JSON."""
    async with database.reading() as connection:
        revision = (await connection.execute(text(f"SELECT version_num FROM {VERSIONS}"))).scalar_one()
        return {"revision": revision, "tables": await connection.run_sync(_rows)}


def _rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    tables = MetaData()
    tables.reflect(connection)
    return {
        each.name: [
            {key: _said(value) for key, value in row._mapping.items()} for row in connection.execute(each.select())
        ]
        for each in tables.sorted_tables
        if each.name != VERSIONS
    }


def _said(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return {"at": value.replace(tzinfo=UTC).isoformat()} if isinstance(value, datetime) else value


async def put(database: Database, kept: dict[str, Any]) -> None:
    """A database as that release left it: its own tables, and these rows."""
    async with database.writing() as connection:
        await connection.run_sync(_put, kept)


def _put(connection: Connection, kept: dict[str, Any]) -> None:
    command.upgrade(_config(connection), kept["revision"])
    tables = MetaData()
    tables.reflect(connection)
    for each in tables.sorted_tables:
        for row in kept["tables"].get(each.name, ()):
            values = {key: _value(value, each.c[key].type) for key, value in row.items()}
            connection.execute(each.delete()) if each.name == "audit_head" else None
            connection.execute(each.insert().values(**values))


def _value(said: Any, type_: Any) -> Any:
    if isinstance(said, dict) and "bytes" in said:
        return base64.b64decode(said["bytes"])
    if isinstance(said, dict) and "at" in said:
        moment = datetime.fromisoformat(said["at"])
        return moment if getattr(type_, "timezone", False) else moment.replace(tzinfo=None)
    return said


async def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(f"sqlite:///{folder}/kai.db") as store:
            await fill(store)
            kept = await rows_of(store.database)
    file = FOLDER / f"{version}.json"
    if file.exists():
        raise SystemExit(f"{file} is there: a release is written down once")
    file.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
