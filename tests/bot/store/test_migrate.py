from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, inspect, text

import bot.store.upgrade
from bot.store.claims import open_claims
from bot.store.database import CACHE_KIB, BadDatabase, journal_engine, open_database
from bot.store.migrate import VERSIONS, migrate
from bot.store.migrations.versions import v0003_peer_and_window
from bot.store.schema import investigations, metadata
from bot.store.store import open_store
from tests.bot.store.words import NOW


async def test_the_migrations_make_exactly_the_tables_that_the_code_knows(url: str) -> None:
    database = open_database(url)
    await migrate(database)

    def differences(connection: Connection) -> list[object]:
        return list(
            compare_metadata(MigrationContext.configure(connection, opts={"version_table": VERSIONS}), metadata)
        )

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []
        names = await connection.run_sync(lambda plain: inspect(plain).get_table_names())
        assert set(names) == {*metadata.tables, VERSIONS}
    await database.close()


async def test_a_window_that_was_part_of_the_flow_s_id_gets_its_own_column(url: str) -> None:
    database = open_database(url)
    await migrate(database)

    def split(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            v0003_peer_and_window.split_windows()

    async with database.writing() as connection:
        for each, flow in (("i1", "flow.a"), ("i2", "flow.b@900s"), ("i3", "flow.c@s")):
            row = dict.fromkeys(("cluster", "namespace", "pod", "door", "asked_by", "channel", "thread", "why"), "")
            row |= {"id": each, "request_key": each, "flow": flow, "state": "failed"}
            await connection.execute(investigations.insert().values(**row, asked_at=NOW, looks=0))
        await connection.run_sync(split)
        rows = (await connection.execute(text("SELECT flow, since_s FROM investigations ORDER BY id"))).all()

    assert [tuple(each) for each in rows] == [("flow.a", None), ("flow.b", 900), ("flow.c@s", None)]
    await database.close()


async def test_alembic_is_asked_only_where_the_tables_are_of_another_version(url: str, monkeypatch) -> None:
    asked = []
    upgrade = bot.store.upgrade.upgrade
    monkeypatch.setattr(bot.store.upgrade, "upgrade", lambda connection: asked.append(upgrade(connection)))
    database = open_database(url)
    for _ in range(2):
        await migrate(database)
    assert len(asked) == 1
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE {VERSIONS} SET version_num = '0005'"))
        await connection.execute(text("DROP TABLE claude_calls"))
    await migrate(database)
    assert len(asked) == 2
    await database.close()


async def test_replicas_that_start_at_once_migrate_once(url: str) -> None:
    replicas = [open_database(url) for _ in range(4)]

    await asyncio.gather(*(migrate(each) for each in replicas))

    async with replicas[0].reading() as connection:
        assert (await connection.execute(text(f"SELECT count(*) FROM {VERSIONS}"))).scalar_one() == 1
    for each in replicas:
        await each.close()


async def test_sqlite_journals_ahead_waits_for_locks_and_heeds_foreign_keys(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/kai.db")
    words = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")

    async with database.reading() as connection:
        said = [(await connection.execute(text(f"PRAGMA {word}"))).scalar_one() for word in words]

    assert said == ["wal", 1, 15000, 1]
    await database.close()


async def test_what_a_connection_keeps_of_a_file_does_not_grow_with_the_file(tmp_path: Path) -> None:
    database, journal = open_database(f"sqlite:///{tmp_path}/kai.db"), journal_engine(f"sqlite:///{tmp_path}/kai.db")
    assert journal is not None

    async with database.reading() as connection:
        kept = (await connection.execute(text("PRAGMA cache_size"))).scalar_one()
    with journal.connect() as other:
        kept_of_journal = other.execute(text("PRAGMA cache_size")).scalar_one()

    assert (kept, kept_of_journal) == (-CACHE_KIB, -CACHE_KIB)
    await database.close()
    journal.dispose()


@pytest.mark.parametrize("url", ["mysql://kai:hunter2@db/kai", "kai:hunter2", "sqlite://", "oracle+x://kai:hunter2@d"])
def test_a_database_of_no_use_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(BadDatabase) as why:
        open_database(url)

    assert "hunter2" not in str(why.value)
    assert "\n" not in str(why.value)


async def test_a_name_is_held_by_one_process_and_freed_when_its_session_ends(url: str) -> None:
    first, second = open_claims(url), open_claims(url)
    held = [await first.hold("a"), await second.hold("a")]

    await first.close()

    assert held == [True, False]
    assert await second.hold("a")
    await second.close()


@pytest.mark.postgres
async def test_only_the_work_of_the_dead_may_be_taken_over(postgres_server: str) -> None:
    from tests.bot.store.postgres import new_database

    url = new_database(postgres_server)
    mine, other = open_claims(url), open_claims(url)
    await mine.hold("mine")
    await other.hold("other")

    async with mine.orphaned("other") as while_alive, mine.orphaned("mine") as myself:
        told = [while_alive, myself]
    await other.close()
    async with mine.orphaned("other") as when_dead:
        told.append(when_dead)

    assert told == [False, False, True]
    await mine.close()


async def test_a_file_of_sqlite_is_for_its_owner_alone_whoever_made_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "kai.db"
    before = os.umask(0)
    try:
        async with open_store(f"sqlite:///{file}") as store:
            await store.investigations.live()
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()}
    finally:
        os.umask(before)
    file.chmod(0o644)  # as versions before this one left it
    async with open_store(f"sqlite:///{file}"):
        pass

    assert modes["kai.db"] == 0o600
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
