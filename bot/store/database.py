"""Opens the database: SQLite in a file of its own, or Postgres by URL. Transactions start here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

from sqlalchemy import URL, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_MS = 15_000
"""How long a SQLite connection waits for another's lock: longer than any transaction of ours."""

CACHE_KIB = 512
"""Pages that each SQLite connection keeps, of which a process that serves has a dozen; the usual 2 MiB of each would
make it grow with its file, which the system keeps in memory anyway."""

MAX_STATEMENT_ROWS = 500
"""Rows of one statement; a database takes only so many parameters."""

_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
_SQLITE = ("sqlite", "sqlite+aiosqlite")
_WRITES = "kai_writes"

Upsert: TypeAlias = SqliteInsert | PostgresInsert


class BadDatabase(ValueError):
    """The URL is of no use. The message is one line and never holds the URL: there may be a password in it."""


class Unreachable(Exception):
    """The database does not answer, or not as one. The message is one line without credentials."""


class Database:
    """An engine with two kinds of transactions: `reading` and `writing`.

    In SQLite a writer takes the lock when it begins, and writers of one process queue up here instead of in SQLite,
    whose waiting is a poll and not fair.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._turn)
            connection = await stack.enter_async_context(self.engine.connect())
            await connection.execution_options(**{_WRITES: True})
            await stack.enter_async_context(connection.begin())
            yield connection

    async def one_at_a_time(self, connection: AsyncConnection, what: str) -> None:
        """Until this transaction ends, nobody else passes here with the same `what`, in any replica."""
        if not self.is_sqlite:  # there, a writer is alone anyway
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_number(what)})

    def insert(self, table: Table) -> Upsert:
        """An INSERT that knows `ON CONFLICT`."""
        return sqlite_insert(table) if self.is_sqlite else postgres_insert(table)

    async def close(self) -> None:
        await self.engine.dispose()


def batched(keys: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Parts of at most so many."""
    return (keys[start : start + most] for start in range(0, len(keys), most))


def open_database(url: str) -> Database:
    """Raises `BadDatabase`. Connects to nothing yet; a SQLite file and its folder are made, for their owner only."""
    parsed = parse(url)
    if parsed.drivername in _SQLITE:
        _make_private(parsed)
        engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"), hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin)
        return Database(engine)
    postgres = parsed.set(drivername="postgresql+psycopg")
    return Database(create_async_engine(postgres, hide_parameters=True, pool_pre_ping=True, pool_size=5))


def parse(url: str) -> URL:
    """The URL, if it is one of a database that KAI can use. Raises `BadDatabase`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise BadDatabase("the database URL cannot be read; it looks like sqlite:////var/lib/kai/kai.db") from None
    if parsed.drivername not in (*_SQLITE, *_POSTGRES):
        raise BadDatabase(f"{parsed.drivername} is not known; the database is sqlite:///… or postgresql://…")
    if parsed.drivername in _SQLITE and not parsed.database:
        raise BadDatabase("a database in memory forgets everything; name a file: sqlite:////var/lib/kai/kai.db")
    return parsed


def is_sqlite(url: str) -> bool:
    return parse(url).drivername in _SQLITE


def journal_engine(url: str) -> Engine | None:
    """The engine for the journal of this database in SQLite: dbos sets no WAL, and a given engine is not set up by it.

    None for Postgres, where the journal's own engine is right.
    """
    parsed = parse(journal_url(url))
    if parsed.drivername not in _SQLITE:
        return None
    _make_private(parsed)
    engine = create_engine(parsed.set(drivername="sqlite"), hide_parameters=True)
    event.listen(engine, "connect", _set_up_journal)
    return engine


def journal_url(url: str) -> str:
    """Location of the journal of this database: beside the file in SQLite, in a schema of its own in Postgres."""
    parsed = parse(url)
    if parsed.drivername in _SQLITE:
        path = Path(str(parsed.database))
        return f"sqlite:///{path.with_name(path.stem + '-journal' + path.suffix)}"
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def file_of(url: str) -> Path | None:
    """The file of a SQLite database."""
    parsed = parse(url)
    return Path(str(parsed.database)) if parsed.drivername in _SQLITE else None


def lock_number(what: str) -> int:
    """A number for a Postgres advisory lock: KAI's own half, and a digest of the word."""
    return (0x4B41 << 32) | crc32(what.encode())


def _make_private(url: URL) -> None:
    """The file, for its owner alone whatever the umask is; SQLite gives its companions (-wal, -shm) the same mode."""
    path = Path(str(url.database)).absolute()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # somebody else's file, a full disk: what opens it says so in its own words
        path.touch(mode=0o600)
        path.chmod(0o600)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, see `_begin`
    _pragmas(connection)


def _set_up_journal(connection: Any, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    _pragmas(connection)


def _pragmas(connection: Any) -> None:
    cursor = connection.cursor()
    waiting, pages = f"busy_timeout={BUSY_MS}", f"cache_size=-{CACHE_KIB}"
    for each in ("journal_mode=WAL", "synchronous=NORMAL", waiting, pages, "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {each}")
    cursor.close()


def _begin(connection: Any) -> None:
    """A writer that began as a reader would be refused at its first write ("database is locked"), unwaited."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
