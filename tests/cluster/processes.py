"""Starts a server for a test, waits until it answers, and ends it and nothing else."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], log: Path, answers: Callable[[], bool], within: float = 90.0) -> Iterator[None]:
    """The server while the block runs. It dies with us, even when we are killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=_die_with_parent)
    try:
        wait_for(answers, f"{command[0]} (see {log})", within, alive=lambda: process.poll() is None)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(
    true: Callable[[], bool], what: str, within: float = 60.0, alive: Callable[[], bool] = lambda: True
) -> None:
    """Until it is true; fails as soon as that can no longer be."""
    end = time.monotonic() + within
    while not true():
        if not alive():
            raise AssertionError(f"{what} ended while starting")
        if time.monotonic() > end:
            raise AssertionError(f"{what} was not there within {within:g} s")
        time.sleep(0.05)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
