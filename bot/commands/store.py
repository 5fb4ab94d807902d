"""`kai store backup FILE` and `kai store restore FILE`: what KAI remembers, as one file; `-` is stdout or stdin."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from bot.commands.history import with_store
from bot.errors import UsageMistake
from bot.store.backup import BadBackup, back_up, restore
from bot.store.database import BadDatabase
from bot.store.location import default_url
from bot.store.spool import waiting
from bot.store.store import Store

STREAM = "-"


def store(action: str, file: str, database: str | None) -> int:
    """Back up or restore. Raises `UsageMistake`."""
    url = database or default_url()
    try:
        said = _back_up(url, file) if action == "backup" else _restore(url, file)
    except (BadBackup, BadDatabase) as why:
        raise UsageMistake(str(why)) from why
    click.echo(f"{action} of {', '.join(said['sha256'])}: KAI {said['kai']}, {said['at']}", err=True)
    return 0


def _back_up(url: str, file: str) -> dict[str, Any]:
    if waiting(url):
        with_store(url, _nothing)  # which brings in the runs that wait beside it
    if file == STREAM:
        return back_up(url, sys.stdout.buffer)
    with ExitStack() as undo:
        target = undo.enter_context(os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"))
        undo.callback(Path(file).unlink)
        said = back_up(url, target)
        target.close()
        undo.pop_all()
    return said


async def _nothing(store: Store) -> None:
    """Asks the store nothing."""


def _restore(url: str, file: str) -> dict[str, Any]:
    with ExitStack() as stack:
        if file != STREAM:
            return restore(stack.enter_context(Path(file).open("rb")), url)
        whole = stack.enter_context(tempfile.TemporaryFile())  # an archive's index is at its end
        shutil.copyfileobj(sys.stdin.buffer, whole)
        return restore(whole, url)
