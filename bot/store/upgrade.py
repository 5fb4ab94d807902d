"""Runs the migrations: the only user of alembic, imported where tables are not those of this version."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from bot.store.database import BadDatabase
from bot.store.migrate import VERSIONS
from bot.store.schema import metadata


def upgrade(connection: Connection) -> None:
    """Raises `BadDatabase` where the tables are of a newer version."""
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as why:
        raise BadDatabase("the database was written by a newer KAI; this version cannot open it") from why


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(files("bot.store"))) / "migrations").replace("%", "%%"))
    config.attributes.update(connection=connection, metadata=metadata, versions=VERSIONS)
    return config
