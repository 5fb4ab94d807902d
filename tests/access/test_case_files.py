"""Files that somebody else made: never a wait, never a crash, and text whatever wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensors.access.case_files import Unfit, read_bytes, text_of


def test_a_fifo_is_refused_before_anybody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pods.yaml")

    with pytest.raises(Unfit, match="not a regular file"):
        read_bytes(tmp_path / "pods.yaml", 100)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev", "/proc/self/mem/.."])
def test_devices_and_folders_are_refused(path: str) -> None:
    with pytest.raises((Unfit, OSError)):
        read_bytes(Path(path), 100)


def test_a_file_that_is_larger_than_a_recording_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 30)

    with pytest.raises(Unfit, match="larger"):
        read_bytes(tmp_path / "sparse", 64 << 20)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_reads_the_same_in_every_usual_encoding(encoding: str) -> None:
    assert text_of("kind: Pod # ä\n".encode(encoding)) == "kind: Pod # ä\n"


def test_a_file_that_is_not_text_is_refused_where_text_is_needed() -> None:
    with pytest.raises(UnicodeDecodeError):
        text_of(b"\xff\x00\xff")
    assert text_of(b"log \xff", errors="replace") == "log \ufffd"
