"""A private Postgres for tests: made with the server's own binaries in a temporary folder, reached by socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

HOW = "these tests need a Postgres server's own binaries (initdb, pg_ctl): apt-get install postgresql"


def binaries() -> Path:
    """The folder of `initdb` and `pg_ctl`; without them the test fails, it does not skip."""
    named = shutil.which("initdb")
    places = [Path(named).resolve().parent] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places or not (places[-1] / "pg_ctl").exists():
        pytest.fail(HOW, pytrace=False)
    return places[-1]


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    tools, folder = binaries(), Path(tempfile.mkdtemp(prefix="kai-pg-"))
    user = _unprivileged()
    if user is not None:
        shutil.chown(folder, user)
    data, options = folder / "data", f"-F -k {folder} -c listen_addresses="

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    run(str(tools / "initdb"), "-D", str(data), "-U", "kai", "--auth=trust", "--no-sync", "--encoding=UTF8")
    run(str(tools / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-t", "240", "start")
    try:
        yield f"postgresql://kai@/{{name}}?host={folder}"
    finally:
        run(str(tools / "pg_ctl"), "-D", str(data), "-m", "immediate", "-t", "240", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def new_database(url: str) -> str:
    """The URL of an empty database."""
    name = f"kai_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.format(name=name)


def _unprivileged() -> str | None:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
