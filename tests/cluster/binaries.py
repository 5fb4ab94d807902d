"""The real kube-apiserver, etcd and helm for the tests: given ready, built before, or built now with Go.

Given ready are the first two in KUBEBUILDER_ASSETS, helm and hubble on the PATH. helm/go.mod says which helm, and
hubble/go.mod which hubble CLI.

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
HELM = Path(__file__).parent / "helm"
HUBBLE = Path(__file__).parent / "hubble"
CACHE = Path(__file__).parents[2] / ".cache"
PACKAGES = {"etcd": "go.etcd.io/etcd/server/v3", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}
VERSION_OF_SERVER = "k8s.io/component-base/version.gitVersion"
HELM_PACKAGE = "helm.sh/helm/v4/cmd/helm"
HUBBLE_PACKAGE = "github.com/cilium/cilium/hubble"


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
    folder, flags = CACHE / "kube" / kubernetes_version(), f"-X {VERSION_OF_SERVER}={kubernetes_version()}"
    with _alone(folder):
        for name, package in PACKAGES.items():
            if not (folder / name).exists():
                _build(package, HERE, folder / name, flags)
    return _in(folder)


def helm() -> Path:
    """helm, of any version on the PATH or ours; two minutes, once, where it must be built. Raises `CannotBuild`."""
    if given := shutil.which("helm"):
        return Path(given)
    folder = CACHE / "helm" / _version_in(HELM, "helm.sh/helm/v4")
    with _alone(folder):
        if not (folder / "helm").exists():
            _build(HELM_PACKAGE, HELM, folder / "helm")
    return folder / "helm"


def hubble() -> Path:
    """The hubble CLI, of any version on the PATH or ours; a minute, once, where it must be built. `CannotBuild`."""
    if given := shutil.which("hubble"):
        return Path(given)
    folder = CACHE / "hubble" / _version_in(HUBBLE, "github.com/cilium/cilium")
    with _alone(folder):
        if not (folder / "hubble").exists():
            _build(HUBBLE_PACKAGE, HUBBLE, folder / "hubble")
    return folder / "hubble"


def kubernetes_version() -> str:
    return _version_in(HERE, "k8s.io/kubernetes")


def _version_in(module: Path, name: str) -> str:
    found = re.search(rf"^(?:require)?\s*{re.escape(name)} (v\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    assert found, f"{module}/go.mod names no version of {name}"
    return found[1]


def _in(folder: Path) -> Binaries:
    found = Binaries(folder / "etcd", folder / "kube-apiserver")
    for path in (found.etcd, found.apiserver):
        if not path.exists():
            raise CannotBuild(f"{path} is missing")
    return found


def _build(package: str, module: Path, target: Path, flags: str = "") -> None:
    if shutil.which("go") is None:
        raise CannotBuild(
            "the cluster tests need Go, or KUBEBUILDER_ASSETS with kube-apiserver and etcd in it, and helm"
        )
    print(f"building {target.name} for {target.parent.name}: minutes, once", file=sys.stderr, flush=True)
    new = target.with_suffix(".new")
    command = ["nice", "go", "build", "-ldflags", f"-s -w {flags}".strip(), "-o", str(new), package]
    done = subprocess.run(command, cwd=module, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True)
    if done.returncode:
        raise CannotBuild(f"go build of {target.name} failed:\n{done.stderr[-2000:]}")
    new.rename(target)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One builder at a time, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(binaries().version())
