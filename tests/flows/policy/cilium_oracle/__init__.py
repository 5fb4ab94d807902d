"""Cilium's own verdicts: its parser, selectors and map state as a small Go program, built once and asked over a pipe.

go.mod pins the version. A build goes to ``.cache/cilium/<version>``, whoever asks first; the others wait for it.
Measured on two busy cores: 13 minutes for the first build, after 20 s of downloads; the result is 85 MB.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = Path(__file__).parents[4] / ".cache" / "cilium"
Json = dict[str, Any]


class CannotBuild(RuntimeError):
    """There is no program and none can be made here. A test that meets this fails: it has compared nothing."""


def version() -> str:
    found = re.search(r"^\s*(?:require )?github\.com/cilium/cilium v(\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod names no version of cilium"
    return found[1]


def program() -> Path:
    """The program of these very sources, built if need be. Raises `CannotBuild`."""
    sources = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")))
    built = CACHE / version() / sources.hexdigest()[:16]
    with _alone(built.parent):
        if not built.exists():
            _build(built)
    return built


def _build(built: Path) -> None:
    if shutil.which("go") is None:
        raise CannotBuild("Cilium's own verdicts need `go` on the PATH")
    new = built.with_suffix(".new")
    command = ["nice", "go", "build", "-ldflags", "-s -w", "-o", str(new), "."]
    done = subprocess.run(
        command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotBuild(f"go build failed:\n{done.stderr[-2000:]}")
    new.rename(built)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One builder at a time, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Cilium:
    """One running program; a cluster in, its verdicts out."""

    def __init__(self) -> None:
        self._running = subprocess.Popen([program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Cilium:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._running.stdin is not None
        self._running.stdin.close()
        self._running.wait(timeout=10)

    def judge(self, cluster: Json) -> Json:
        """``refused`` (place of a policy -> why) and ``verdicts``, as main.go describes them."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write(json.dumps(cluster) + "\n")
        self._running.stdin.flush()
        answer: Json = json.loads(self._running.stdout.readline())
        if answer.get("error"):
            raise AssertionError(f"the program cannot tell: {answer['error']}")
        return answer
