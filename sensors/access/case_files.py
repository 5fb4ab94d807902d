"""Files of a case folder, which somebody else made: regular files only, of limited size, as text of any usual encoding.

Nothing here waits: a FIFO or a device is refused before it is read, and a file that is larger than a recording can be
is refused by its size. PowerShell's `>` writes UTF-16, other tools a byte order mark: both are read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
MOST_OBJECTS = 256 * MIB
"""The largest file of objects: as much as a living cluster is asked for."""

MOST_TEXT = 64 * MIB
"""The largest log, table or header."""

UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
UTF8_MARK = b"\xef\xbb\xbf"


class Unfit(ValueError):
    """A file that is not read at all. The message says why, without the file's name."""


def read_bytes(path: Path, most: int) -> bytes:
    """All of a regular file of at most `most` bytes. Raises `Unfit`, or `OSError` as open does."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise Unfit(f"it is larger ({size / MIB:,.0f} MiB) than a recording can be ({most // MIB} MiB)")
        return stream.read(most)


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading. Raises `Unfit` for anything that could hang, or `OSError` as open does."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unfit("it is not a regular file")
    return os.fdopen(handle, "rb")


def text_of(data: bytes, errors: str = "strict") -> str:
    """The text of a file, whatever wrote it. Raises `UnicodeDecodeError` where `errors` is strict."""
    encoding = UTF16.get(data[:2]) or _unmarked(data)
    if encoding:
        return data.decode(encoding, errors).removeprefix("\ufeff")
    return data.removeprefix(UTF8_MARK).decode("utf-8", errors)


def _unmarked(data: bytes) -> str:
    """UTF-16 without its mark: every text of ours begins with two ASCII characters."""
    if len(data) >= 4 and data[1] == data[3] == 0 != data[0]:
        return "utf-16-le"
    return "utf-16-be" if len(data) >= 4 and data[0] == data[2] == 0 != data[1] else ""
