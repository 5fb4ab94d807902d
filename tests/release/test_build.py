"""What a release hands out is whole, holds nothing else, and works where nothing of this repository is."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import tarfile
import venv
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STRANGERS = {
    "bot.py": "raise SystemExit('bot.py of this folder was run')\n",
    "tests.py": "raise SystemExit('tests.py')\n",
}


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_build", ROOT / "release" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("dist") / "dist"
    return {each.name: each for each in build.make(out)}


def test_the_plug_in_for_krew_is_the_same_each_time_and_its_manifest_has_its_hash(
    build: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    archive, manifest = build.krew_plugin(tmp_path)
    again, _ = build.krew_plugin(tmp_path / "again")
    said: dict[str, Any] = yaml.safe_load(manifest.read_text("utf-8"))
    (platform,) = said["spec"]["platforms"]
    with tarfile.open(archive) as tar:
        launcher = tar.extractfile("kubectl-kai")
        assert launcher is not None
        words = launcher.read().decode()
        mode = tar.getmember("kubectl-kai").mode

    assert archive.read_bytes() == again.read_bytes()
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert platform["uri"].endswith(f"/v{build.version()}/{archive.name}")
    assert said["spec"]["version"] == f"v{build.version()}"
    assert said["metadata"]["name"] == platform["bin"].removeprefix("kubectl-") == "kai"
    assert f"kai-netdebug=={build.version()}" in words
    assert (mode, "@" in manifest.read_text("utf-8")) == (0o755, False)
    assert len(said["spec"]["shortDescription"]) <= 60


def test_the_plug_in_says_what_it_needs_where_neither_uv_nor_pipx_is(tmp_path: Path) -> None:
    script = ROOT / "release" / "krew" / "kubectl-kai"

    done = subprocess.run(["/bin/sh", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "kubectl kai needs uv (https://docs.astral.sh/uv) or pipx\n")


def test_the_plug_in_hands_on_what_was_typed(tmp_path: Path) -> None:
    for tool in ("uvx", "pipx"):
        folder = tmp_path / tool
        folder.mkdir()
        (folder / tool).write_text('#!/bin/sh\nfor each in "$@"; do echo "[$each]"; done\n')
        (folder / tool).chmod(0o755)
        command = ["/bin/sh", ROOT / "release/krew/kubectl-kai", "netdebug", "a pod", "-n", "x"]
        done = subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=True)

        assert done.stdout.splitlines()[-5:] == ["[kubectl-kai]", "[netdebug]", "[a pod]", "[-n]", "[x]"]


def test_a_release_is_refused_while_something_is_missing(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "version", lambda: "99.0.0")

    missing = list(build.missing_for_a_release())

    assert "CHANGELOG.md has no part for 99.0.0" in missing
    assert "HEAD has no tag v99.0.0 (git tag -s v99.0.0)" in missing


@pytest.mark.slow  # builds in environments of their own and installs sixty packages
@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_empty_environment_beside_files_named_like_its_modules(
    build: ModuleType, made: dict[str, Path], tmp_path: Path
) -> None:
    wheel = made[f"kai_netdebug-{build.version()}-py3-none-any.whl"]
    venv.create(tmp_path / "venv", with_pip=True)
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run([bin_ / "python", "-m", "pip", "install", "-q", wheel], check=True, cwd=tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    for name, text in STRANGERS.items():
        (here / name).write_text(text)
    environ = {"PATH": os.environ["PATH"], "HOME": str(here), "TERM": "dumb"}

    def kai(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [bin_ / "kai", *words], cwd=here, env=environ, capture_output=True, text=True, check=False
        )

    version, demo, doctor = kai("--version"), kai("demo", "--once", "-o", "json"), kai("doctor")

    assert (bin_ / "kubectl-kai").is_file()  # what kubectl and the plug-in of krew start
    assert (bin_ / "kai-netdebug").is_file()  # what `uvx kai-netdebug` starts
    assert version.stdout == f"kai, version {build.version()}\n"
    assert (demo.returncode, json.loads(demo.stdout)["cause_class"]) == (0, "policy.egress_denied"), demo.stderr
    assert doctor.returncode == 2
    assert doctor.stderr.startswith("kai: no way to a cluster")
    assert "bot.py of this folder" not in version.stdout + demo.stderr + doctor.stderr
    sums = made["SHA256SUMS"].read_text("utf-8")
    assert f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n" in sums
