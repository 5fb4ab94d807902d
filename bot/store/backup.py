"""A SQLite store as one file, copied while KAI runs, and back again. Postgres has its own tools (pg_dump).

The journal is copied before the store: a run that is not there yet is taken up by the next start, as after a crash.
Copies lie beside the store until they are written, since /tmp in a container is small. Nothing is held in memory whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from bot import __version__
from bot.store.database import BadDatabase, file_of, journal_url

FORMAT = 1
MANIFEST, JOURNAL, STORE = "manifest.json", "kai-journal.db", "kai.db"
COPIES = ".kai-backup-"
LEFT_OPEN_BYTES = 16 * 1024 * 1024
"""What a backup leaves free on the volume, for KAI to go on writing."""

FORGOTTEN_AFTER_S = 3600
"""Copies this old are of a backup that was killed."""


class BadBackup(ValueError):
    """This cannot be brought back, or not there. The message is one line."""


def back_up(url: str, target: IO[bytes]) -> dict[str, Any]:
    """Write the store at `url` into `target`; what was written. Raises `BadBackup`, `BadDatabase`."""
    files = _files(url)
    if not files[STORE].is_file():
        raise BadBackup(f"there is no store at {files[STORE]}")
    there = {name: file for name, file in files.items() if file.is_file()}
    with _copies([*there.values()]) as folder, ZipFile(target, "w", ZIP_DEFLATED) as archive:
        copies = {name: folder / name for name in there}
        for name, copy in copies.items():
            _copied(files[name], copy)
        manifest = {"format": FORMAT, "kai": __version__, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        said = {**manifest, "sha256": {name: _digest(copy) for name, copy in copies.items()}}
        archive.writestr(MANIFEST, json.dumps(said))
        for name, copy in copies.items():
            archive.write(copy, name)
    return said


def restore(source: IO[bytes], url: str) -> dict[str, Any]:
    """Bring a backup to `url`, where nothing may be yet; what it was. Raises `BadBackup`, `BadDatabase`."""
    files = _files(url)
    for file in files.values():
        if file.exists():
            raise BadBackup(f"{file} is there already: a store is not written over; move it away first")
    with _opened(source) as (archive, said), _beside(files[STORE]) as folder:
        for name, digest in said["sha256"].items():
            archive.extract(name, folder)
            if _digest(Path(folder, name)) != digest:
                raise BadBackup(f"the backup is damaged: {name} is not what was written")
        for name in said["sha256"]:
            _placed(Path(folder, name), files[name])
    return said


def _beside(store: Path) -> tempfile.TemporaryDirectory[str]:
    """On the store's own volume, as near as there is a folder already."""
    there = next(each for each in store.absolute().parents if each.is_dir())
    return tempfile.TemporaryDirectory(dir=there, prefix=COPIES)


def _files(url: str) -> dict[str, Path]:
    """In the order in which they are copied."""
    store, journal = file_of(url), file_of(journal_url(url))
    if store is None or journal is None:
        raise BadDatabase("this is for a store in a file; a Postgres is backed up with pg_dump (docs/operations.md)")
    return {JOURNAL: journal, STORE: store}


@contextmanager
def _copies(files: list[Path]) -> Iterator[Path]:
    """A folder for the copies, beside the store. Raises `BadBackup` where the volume has no room for them."""
    beside = files[0].parent
    for old in beside.glob(f"{COPIES}*"):
        with suppress(FileNotFoundError):  # another backup has ended meanwhile
            if time.time() - old.stat().st_mtime > FORGOTTEN_AFTER_S:
                shutil.rmtree(old, ignore_errors=True)
    needed, free = sum(each.stat().st_size for each in files) + LEFT_OPEN_BYTES, shutil.disk_usage(beside).free
    if free < needed:
        raise BadBackup(
            f"a backup is copied beside the store first: {beside} needs {_mib(needed)} MiB free, and has {_mib(free)}"
        )
    with _beside(files[0]) as folder:
        yield Path(folder)


def _copied(source: Path, target: Path) -> None:
    """A consistent copy, also of a file that is being written to (SQLite's online backup)."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@contextmanager
def _opened(source: IO[bytes]) -> Iterator[tuple[ZipFile, dict[str, Any]]]:
    try:
        with ZipFile(source) as archive:
            said = json.loads(archive.read(MANIFEST))
            if said["format"] != FORMAT or not set(said["sha256"]) <= {JOURNAL, STORE} or STORE not in said["sha256"]:
                raise BadBackup(f"this backup is of KAI {said.get('kai')}, in a format that this version cannot read")
            yield archive, said
    except (BadZipFile, KeyError, TypeError, json.JSONDecodeError, EOFError, OSError) as why:
        raise BadBackup(f"this is no backup of KAI, or a damaged one ({type(why).__name__})") from why


def _placed(copy: Path, target: Path) -> None:
    target.absolute().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(copy, target)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mib(size: int) -> int:
    return size // (1024 * 1024)
