"""A backup is the store as it was, taken while it is written to; it replaces none, and a spoilt one is refused."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.cli import run
from bot.store import backup
from bot.store.backup import STORE, BadBackup, back_up, restore
from bot.store.database import BadDatabase
from bot.store.store import open_store
from tests.bot.store.words import NOW, admitted, concluded, request


def at(folder: Path) -> str:
    return f"sqlite:///{folder}/kai.db"


async def test_what_was_remembered_is_there_again_elsewhere(tmp_path: Path) -> None:
    async with open_store(at(tmp_path / "old")) as store:
        await concluded(store, "one")
        verdict = await store.investigations.verdict("one")
        saved = io.BytesIO()
        back_up(at(tmp_path / "old"), saved)  # while it is open

    saved.seek(0)
    said = restore(saved, at(tmp_path / "new"))

    async with open_store(at(tmp_path / "new")) as store:
        assert await store.investigations.verdict("one") == verdict
        assert verdict is not None
    assert stat.S_IMODE((tmp_path / "new/kai.db").stat().st_mode) == 0o600
    assert set(said["sha256"]) == {STORE}


async def test_a_backup_in_the_midst_of_writes_is_whole(tmp_path: Path) -> None:
    async with open_store(at(tmp_path / "old")) as store:

        async def write() -> None:
            for number in range(40):
                asked = request(f"pod-{number}", asked_by=f"U{number}", namespace=f"ns-{number}", cluster=f"c{number}")
                await admitted(store, f"i{number}", asked)

        async def save() -> list[io.BytesIO]:
            found = [io.BytesIO() for _ in range(5)]
            for each in found:
                await asyncio.to_thread(back_up, at(tmp_path / "old"), each)
            return found

        _, copies = await asyncio.gather(write(), save())

    for number, each in enumerate(copies):
        each.seek(0)
        restore(each, at(tmp_path / f"new-{number}"))
        async with open_store(at(tmp_path / f"new-{number}")) as again:
            live = await again.investigations.live()
            assert sorted(it.id for it in live) == sorted(f"i{n}" for n in range(len(live)))
            assert all(it.asked_at == NOW for it in live)


async def test_copies_lie_beside_the_store_and_go_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(at(tmp_path)) as store:
        await admitted(store)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(backup.tempfile, "tempdir", str(tmp_path / "no-room-in-tmp"))
    where: list[Path] = []
    monkeypatch.setattr(backup, "_copied", lambda old, new: (where.append(new.parent.parent), shutil.copy(old, new)))

    back_up(at(tmp_path), io.BytesIO())

    assert where == [tmp_path]
    assert sorted(os.listdir(tmp_path)) == before


async def test_a_volume_without_room_for_the_copies_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_store(at(tmp_path)) as store:
        await admitted(store)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: SimpleNamespace(free=backup.LEFT_OPEN_BYTES))
    file = tmp_path / "kai.backup"

    code = await asyncio.to_thread(run, ["store", "backup", str(file), "--database", at(tmp_path)])

    assert (code, file.exists()) == (2, False)
    assert "needs 16 MiB free, and has 16" in capsys.readouterr().err


@pytest.mark.parametrize(("age_s", "stays"), [(60, True), (2 * backup.FORGOTTEN_AFTER_S, False)])
async def test_copies_of_a_backup_that_was_killed_are_taken_away(tmp_path: Path, age_s: int, stays: bool) -> None:
    async with open_store(at(tmp_path)) as store:
        await admitted(store)
    left = tmp_path / f"{backup.COPIES}killed"
    left.mkdir()
    (left / STORE).write_text("half a copy")
    os.utime(left, (time.time() - age_s,) * 2)

    back_up(at(tmp_path), io.BytesIO())

    assert left.exists() is stays


async def test_a_pipe_gets_the_backup(tmp_path: Path) -> None:
    async with open_store(at(tmp_path)) as store:
        await admitted(store)
    command = [
        sys.executable,
        "-c",
        "from bot.entry import main; main()",
        "store",
        "backup",
        "-",
        "--database",
        at(tmp_path),
    ]
    piped = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)

    assert set(restore(io.BytesIO(piped.stdout), at(tmp_path / "new"))["sha256"]) == {STORE}


async def test_a_store_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    async with open_store(at(tmp_path)) as store:
        await admitted(store)
    saved = io.BytesIO()
    back_up(at(tmp_path), saved)
    saved.seek(0)

    with pytest.raises(BadBackup, match="is there already: a store is not written over"):
        restore(saved, at(tmp_path))


async def test_a_spoilt_or_foreign_file_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    async with open_store(at(tmp_path / "old")):
        pass
    whole = io.BytesIO()
    back_up(at(tmp_path / "old"), whole)
    changed = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:-9] + b"spoilt by" if name == STORE else content)

    for content in (b"", b"garbage", whole.getvalue()[: len(whole.getvalue()) // 2], changed.getvalue()):
        with pytest.raises(BadBackup) as why:
            restore(io.BytesIO(content), at(tmp_path / "new"))
        assert "\n" not in str(why.value)
    assert not (tmp_path / "new").exists()


def test_a_path_that_leads_out_of_the_backup_is_not_followed(tmp_path: Path) -> None:
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr(
            "manifest.json", '{"format": 1, "kai": "0", "at": "", "sha256": {"../../x": "0", "kai.db": "0"}}'
        )
        archive.writestr("../../x", "x")

    with pytest.raises(BadBackup, match="in a format that this version cannot read"):
        restore(evil, at(tmp_path / "new"))


def test_postgres_is_left_to_its_own_tools() -> None:
    with pytest.raises(BadDatabase, match="backed up with pg_dump"):
        back_up("postgresql://kai@db/kai", io.BytesIO())


async def test_the_command_writes_a_file_for_its_owner_alone_and_not_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_store(at(tmp_path / "old")) as store:
        await admitted(store)
    file, umask = tmp_path / "kai.backup", os.umask(0)
    try:
        codes = [
            await asyncio.to_thread(run, ["store", *words, "--database", at(tmp_path / where)])
            for words, where in (
                (["backup", str(file)], "old"),
                (["restore", str(file)], "new"),
                (["restore", str(file)], "new"),
                (["backup", str(file)], "old"),
            )
        ]
    finally:
        os.umask(umask)

    said = capsys.readouterr().err.splitlines()
    assert codes == [0, 0, 2, 2]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert said[0].startswith("backup of kai.db: KAI ")
    assert len(said) == 4
