"""Runs of a terminal that wait for their database: a file each beside it, written in a millisecond, read by the next
command that reads the past.

Opening the database costs a terminal half a second of imports; one look in a hundred is ever looked at again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.store.records import EvidenceRow, OriginKind, Request
from sensors.kit import Target

if TYPE_CHECKING:
    from bot.store.store import Store

SQLITE = "sqlite:///"
MAGIC = b"SQLite format 3\x00"
MAX_WAITING = 100
"""Files that wait; then the next run brings all of them in."""

FORGOTTEN_AFTER = timedelta(days=90)
"""What a terminal asked this long ago is forgotten, a batch when runs are brought in, as `kai serve` does by its own
setting."""


def folder_of(url: str) -> Path | None:
    """Folder in which runs wait for this database; None where it is not a file of SQLite's."""
    path = url.removeprefix(SQLITE).partition("?")[0]
    return Path(f"{path}.runs") if url.startswith(SQLITE) and path else None


def waiting(url: str) -> list[Path]:
    """The runs that wait, the oldest first."""
    folder = folder_of(url)
    return sorted(folder.glob("*.json")) if folder is not None and folder.is_dir() else []


def put(
    url: str,
    investigation: str,
    request: Request,
    result: Mapping[str, Any],
    rows: Sequence[EvidenceRow],
    asked_at: datetime,
) -> bool:
    """Let a run wait. False where it has to go into the database itself. Raises `OSError`."""
    folder = folder_of(url)
    if folder is None or not _may_be_database(folder.with_suffix("")) or len(waiting(url)) >= MAX_WAITING:
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = {
        "investigation": investigation,
        "request": {**asdict(request), "origin": request.origin.value},
        "result": result,
        "rows": [asdict(each) for each in rows],
        "asked_at": asked_at.isoformat(),
        "kept_at": datetime.now(UTC).isoformat(),
    }
    _write(folder / f"{asked_at.timestamp():017.6f}-{investigation}.json", json.dumps(said))
    return True


def _may_be_database(path: Path) -> bool:
    """Nothing yet, or a file of SQLite's; anything else is to be complained of at once."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) in (MAGIC, b"")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    half = path.with_suffix(".part")
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    half.replace(path)


async def bring_in(url: str, store: Store) -> None:
    """Put what waits into the database, and forget what is old. What cannot be read is left, under another name."""
    for path in (paths := waiting(url)):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            run = (*_run(said), datetime.fromisoformat(said["asked_at"]), datetime.fromisoformat(said["kept_at"]))
        except FileNotFoundError:
            continue  # another command has brought it in
        except (ValueError, KeyError, TypeError):
            path.rename(path.with_suffix(".unreadable"))
            continue
        if await store.investigations.get(run[0]) is None:
            await store.investigations.keep(*run)
        path.unlink(missing_ok=True)
    if paths:
        await store.retention.forget((now := datetime.now(UTC)) - FORGOTTEN_AFTER, now)


def _run(said: Mapping[str, Any]) -> tuple[str, Request, Mapping[str, Any], tuple[EvidenceRow, ...]]:
    asked = dict(said["request"])
    target, origin = Target(**asked.pop("target")), OriginKind(asked.pop("origin"))
    rows = tuple(EvidenceRow(**each) for each in said["rows"])
    return said["investigation"], Request(target=target, origin=origin, **asked), said["result"], rows
