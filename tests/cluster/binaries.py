"""The real kube-apiserver and etcd for the tests: given ready (KUBEBUILDER_ASSETS), built before, or built now with Go.

go/go.mod says which versions; `go/update.sh VERSION ETCD` moves them. A build goes to .cache/kube/<version> and is done
once, whoever asks first; the others wait for it. Measured on two busy cores: 9 minutes, 7 of CPU time (etcd 1, API
server 6), after 20 s of downloads; the result is 130 MB.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent / "go"
CACHE = Path(__file__).parents[2] / ".cache" / "kube"
PACKAGES = {"etcd": "go.etcd.io/etcd/server/v3", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}


class CannotBuild(RuntimeError):
    """There is no API server and none can be made here. A test that meets this fails: it has proved nothing."""


@dataclass(frozen=True)
class Binaries:
    etcd: Path
    apiserver: Path

    @cache  # noqa: B019 - there are two programs
    def version(self) -> str:
        """`Kubernetes v1.36.3`, as the binary says it."""
        return subprocess.run([self.apiserver, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def binaries() -> Binaries:
    """The two programs, built if need be. Raises `CannotBuild`."""
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        return _in(Path(given))
    folder = CACHE / kubernetes_version()
    with _alone(folder):
        for name in PACKAGES:
            if not (folder / name).exists():
                _build(name, folder)
    return _in(folder)


def kubernetes_version() -> str:
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod names no version of k8s.io/kubernetes"
    return found[1]


def _in(folder: Path) -> Binaries:
    found = Binaries(folder / "etcd", folder / "kube-apiserver")
    for path in (found.etcd, found.apiserver):
        if not path.exists():
            raise CannotBuild(f"{path} is missing")
    return found


def _build(name: str, folder: Path) -> None:
    if shutil.which("go") is None:
        raise CannotBuild("the cluster tests need Go, or KUBEBUILDER_ASSETS with kube-apiserver and etcd in it")
    print(f"building {name} for {folder.name}: minutes, once", file=sys.stderr, flush=True)
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion={kubernetes_version()}"
    command = ["go", "build", "-ldflags", flags, "-o", str(folder / f"{name}.new"), PACKAGES[name]]
    done = subprocess.run(
        ["nice", *command], cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"go build of {name} failed:\n{done.stderr[-2000:]}")
    (folder / f"{name}.new").rename(folder / name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One builder at a time, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(binaries().version())
