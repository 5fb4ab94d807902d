"""Brings the tables to what this version of KAI expects, from any earlier one; the same scripts on every database."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from bot.store.database import BadDatabase, Database
from bot.store.schema import metadata

VERSIONS = "kai_versions"
"""Our own version table: the journal of the desk keeps another one in the same Postgres."""


async def migrate(database: Database) -> None:
    """All in one transaction: a crash leaves the old tables; replicas that start at once do it one by one.

    Raises `BadDatabase` where the tables are of a newer version.
    """
    async with database.writing() as connection:
        await database.one_at_a_time(connection, "migrate")
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as why:
        raise BadDatabase("the database was written by a newer KAI; this version cannot open it") from why


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(files("bot.store"))) / "migrations").replace("%", "%%"))
    config.attributes.update(connection=connection, metadata=metadata, versions=VERSIONS)
    return config
