"""Runs of a terminal that wait beside their database until somebody reads the past."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.cli import run
from bot.commands.history import with_store
from bot.commands.remembering import remember
from bot.report.json_result import encode
from bot.store.spool import FORGOTTEN_AFTER, MAX_WAITING, bring_in, folder_of, put, waiting
from bot.store.store import Store, open_store
from tests.bot.report.examples import DENIED
from tests.bot.store.words import NOW, ROWS, request


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kai.db"


def _put(url: str, name: str, after: int = 0) -> bool:
    return put(url, name, request("api"), encode(DENIED), ROWS, NOW + timedelta(seconds=after))


def _ids(url: str) -> list[str]:
    async def ids(store: Store) -> list[str]:
        return [each.id for each, _ in await store.investigations.recent(10)]

    return with_store(url, ids)


def test_a_run_waits_and_the_next_command_that_reads_the_past_brings_it_in(url: str, tmp_path: Path) -> None:
    remember(DENIED, url, NOW)
    assert not (tmp_path / "kai.db").exists()

    assert _ids(url) == [DENIED.investigation_id]
    assert waiting(url) == []


def test_what_waits_is_for_its_owner_alone(url: str) -> None:
    _put(url, "a1")

    (file,) = waiting(url)
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_run_that_was_brought_in_before_a_crash_is_there_once(url: str) -> None:
    _put(url, "a1")
    (file,) = waiting(url)
    text = file.read_text()
    _ids(url)
    file.write_text(text)

    assert _ids(url) == ["a1"]


def test_a_file_that_cannot_be_read_hides_no_other(url: str) -> None:
    _put(url, "a1")
    folder = folder_of(url)
    assert folder is not None
    (folder / "0-broken.json").write_text('{"investigation": "x"')
    (folder / "0-other.json").write_text(json.dumps({"investigation": "y"}))

    assert _ids(url) == ["a1"]
    assert len(list(folder.glob("*.unreadable"))) == 2


def test_when_many_wait_the_next_run_brings_all_of_them_in(url: str) -> None:
    folder = folder_of(url)
    assert folder is not None
    _put(url, "a1")
    text = waiting(url)[0].read_text()
    for number in range(MAX_WAITING - 1):
        (folder / f"9{number}.json").write_text(text.replace('"a1"', f'"b{number}"', 1))

    assert not _put(url, "c1")
    remember(DENIED, url, NOW)

    assert waiting(url) == []


def test_what_is_old_is_forgotten_when_runs_are_brought_in(url: str) -> None:
    async def old(store: Store) -> None:
        long_ago = datetime.now(UTC) - FORGOTTEN_AFTER - timedelta(days=1)
        await store.investigations.keep("old", request("api"), encode(DENIED), ROWS, long_ago, long_ago)

    async def brought() -> None:
        async with open_store(url) as store:
            await old(store)

    asyncio.run(brought())
    assert _ids(url) == ["old"]
    _put(url, "a1")

    assert _ids(url) == ["a1"]


def test_a_backup_holds_the_runs_that_wait(url: str, tmp_path: Path) -> None:
    _put(url, "a1")
    there = f"sqlite:///{tmp_path}/there.db"

    assert run(["store", "backup", str(tmp_path / "saved.zip"), "--database", url]) == 0
    assert run(["store", "restore", str(tmp_path / "saved.zip"), "--database", there]) == 0

    assert _ids(there) == ["a1"]


@pytest.mark.parametrize("url", ["postgresql://kai@db/kai", "sqlite://", "sqlite:///"])
def test_nothing_waits_for_a_database_that_is_no_file(url: str) -> None:
    assert folder_of(url) is None
    assert waiting(url) == []


def test_two_commands_that_bring_in_the_same_lose_nothing(url: str) -> None:
    _put(url, "a1")
    _put(url, "a2", after=1)

    async def both() -> int:
        async with open_store(url) as store:
            await bring_in(url, store)
            await bring_in(url, store)
            return len(await store.investigations.recent(10))

    assert asyncio.run(both()) == 2


def test_keeping_a_run_loads_no_database(tmp_path: Path) -> None:
    """It costs half a second of a terminal's time, for a past that is seldom read."""
    program = (
        "import sys; from bot.cli import run; run(['netdebug', '--case', 'lab/cases/web-to-catalog', '-q']); "
        "print(sorted({each.partition('.')[0] for each in sys.modules} & {'sqlalchemy', 'alembic'}))"
    )
    env = {"XDG_STATE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"
    assert list(tmp_path.glob("kai/kai.db.runs/*.json"))
