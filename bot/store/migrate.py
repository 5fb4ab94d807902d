"""Brings the tables to what this version of KAI expects, from any earlier one; the same scripts on every database."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from bot.store.database import Database

VERSIONS = "kai_versions"
"""Our own version table: the journal of the desk keeps another one in the same Postgres."""


async def migrate(database: Database) -> None:
    """All in one transaction: a crash leaves the old tables; replicas that start at once do it one by one.

    Raises `BadDatabase` where the tables are of a newer version. Where they are of this one, as at nearly every start,
    nothing of alembic is imported: that would stay in memory, fifteen megabytes of it.
    """
    async with database.reading() as connection:
        if await connection.run_sync(_version) == newest():
            return
    async with database.writing() as connection:
        await database.one_at_a_time(connection, "migrate")
        await connection.run_sync(import_module("bot.store.upgrade").upgrade)


def newest() -> str:
    """The revision that this version of KAI expects: its files are numbered (v0006_…)."""
    scripts = files("bot.store").joinpath("migrations", "versions").iterdir()
    return max(each.name[1:5] for each in scripts if each.name.startswith("v0"))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()  # noqa: S608
    return found
