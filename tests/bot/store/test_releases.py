"""A database of each release so far is brought to this version, in SQLite and in Postgres, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.approval.trail import faults
from bot.store import InvestigationState
from bot.store.database import BadDatabase, open_database
from bot.store.migrate import VERSIONS
from bot.store.schema import metadata
from bot.store.store import open_store
from tests.bot.store.kept import FOLDER, put, rows_of
from tests.bot.store.words import NOW, admitted, request

RELEASES = tuple(sorted(FOLDER.glob("*.json")))


def written(release: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(release.read_text("utf-8"))
    return kept


async def old(url: str, release: Path) -> dict[str, Any]:
    kept = written(release)
    database = open_database(url)
    await put(database, kept)
    await database.close()
    return kept


def test_every_table_of_the_newest_release_has_a_row() -> None:
    kept = written(RELEASES[-1])

    assert {name for name, rows in kept["tables"].items() if not rows} == set()
    assert set(kept["tables"]) <= set(metadata.tables)


@pytest.mark.parametrize("release", RELEASES, ids=[each.stem for each in RELEASES])
async def test_what_a_release_wrote_is_read_by_this_version(release: Path, url: str) -> None:
    kept = await old(url, release)

    async with open_store(url) as store:
        verdict, evidence = await store.investigations.verdict("done"), await store.investigations.evidence("done")
        waiting = await store.investigations.get("waiting")
        (proposal,) = await store.proposals.of("done")
        approvals = await store.proposals.approvals(proposal.id)
        trail = [each async for each in store.audit.links()]
        head = await store.audit.head()
        after = await rows_of(store.database)
        await admitted(store, "new", request("another", asked_by="U3"))

    assert verdict is not None
    assert (len(evidence), len(approvals)) == (2, 1)
    assert approvals[0].sha256 == proposal.sha256  # the approval is still of exactly this change
    assert waiting is not None
    assert (waiting.state, waiting.asked_at) == (InvestigationState.QUEUED, NOW)
    assert faults(trail, head) == []
    assert [each.entry for each in trail] == [each["entry"] for each in kept["tables"]["audit"]]
    counts = {name: len(rows) for name, rows in after["tables"].items()}
    assert {name: counts[name] for name in kept["tables"]} == {name: len(each) for name, each in kept["tables"].items()}


async def test_a_store_of_a_newer_version_is_not_touched(url: str) -> None:
    async with open_store(url) as store, store.database.writing() as connection:
        await connection.exec_driver_sql(f"UPDATE {VERSIONS} SET version_num = '9999'")

    with pytest.raises(BadDatabase, match="written by a newer KAI"):
        async with open_store(url):
            pass
