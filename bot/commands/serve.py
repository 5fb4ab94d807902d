"""`kai serve`: KAI in Slack, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import click
from aiohttp import ClientError

from bot.app import serve as run
from bot.desk.opening import Occupied
from bot.errors import CouldNotLook, UsageMistake
from bot.interpreter import use_one_heap
from bot.logs import set_up_logging
from bot.secret import Secret
from bot.settings import load, secrets_of
from bot.slack.connection import BadToken
from bot.store.database import BadDatabase, Unreachable

log = logging.getLogger(__name__)


def serve(config: Path | None, database: str | None, **said: Any) -> int:
    """Answer in Slack: /kai, @kai, the message shortcut and the home tab."""
    use_one_heap()
    settings = load(file=config, database_url=Secret(database) if database else None, **said)
    set_up_logging(settings.log_level, secrets_of(settings), settings.log_format)
    try:
        return asyncio.run(run(settings, log.info if settings.log_format == "json" else partial(click.echo, err=True)))
    except (BadToken, BadDatabase, Occupied) as why:
        raise UsageMistake(str(why)) from why
    except Unreachable as why:
        raise CouldNotLook(str(why)) from why
    except OSError as why:
        raise CouldNotLook(_no_way(why)) from why


def _no_way(why: OSError) -> str:
    """Name of what could not be reached or opened: the address, the file, else Slack, the only one asked by name."""
    if isinstance(why, ClientError):
        return f"Slack cannot be reached: {why}"
    return f"{why.filename or 'the network'}: {why.strerror or why}"
