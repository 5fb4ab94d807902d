"""The Dockerfile keeps its promises, its steps are read as an engine reads them, the SBOM tells all there is."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bot import __version__

ROOT = Path(__file__).parents[2]


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"image_{name}", ROOT / "image" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


by_hand, sbom = module("by_hand"), module("sbom")
STEPS = list(by_hand.steps_of((ROOT / "Dockerfile").read_text("utf-8")))
LAST = STEPS[max(number for number, each in enumerate(STEPS) if each.word == "FROM") :]


def rest(word: str) -> list[str]:
    return [each.rest for each in LAST if each.word == word]


def test_what_runs_is_no_shell_as_a_number_that_is_not_root_on_nothing_but_what_was_copied() -> None:
    assert rest("FROM") == ["scratch"]
    assert rest("USER") == ["10001:10001"]
    assert (json.loads(*rest("ENTRYPOINT")), json.loads(*rest("CMD"))) == (["/opt/kai/bin/kai"], ["serve"])
    assert rest("RUN") == []


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    program = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_installed_has_a_hash() -> None:
    installs = [each.rest for each in STEPS if each.word == "RUN" and re.search(r"\b(pip|uv) ", each.rest)]
    lines = (ROOT / "image/build.txt").read_text("utf-8").replace("\\\n", " ").splitlines()
    named = [line for line in lines if re.match(r"[a-z]", line)]

    assert len(installs) == 3
    assert "--require-hashes" in installs[0]
    assert "uv sync --frozen" in installs[1]
    assert "--no-deps /dist/" in installs[2]
    assert named
    assert all("==" in line and "--hash=sha256:" in line for line in named)


def test_the_image_says_its_version_its_source_and_its_licence() -> None:
    labels = dict(pair.split("=", 1) for pair in shlex.split(*rest("LABEL")))

    assert f"ARG VERSION={__version__}" in (ROOT / "Dockerfile").read_text("utf-8")
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert {"version", "revision", "created", "title"} <= {each.rpartition(".")[2] for each in labels}


def test_what_is_copied_is_sent_to_the_builder() -> None:
    sent = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    }
    for step in (each for each in STEPS if each.word == "COPY" and "--from" not in each.rest):
        for source in shlex.split(step.rest)[:-1]:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in sent, source


def test_steps_are_read_with_their_lines_comments_left_out_and_continued_lines_together() -> None:
    text = "# a comment\nFROM scratch\n\nRUN one \\\n  # between\n && two\nCOPY a b\n"

    found = [(each.line, each.word, " ".join(each.rest.split())) for each in by_hand.steps_of(text)]

    assert found == [(2, "FROM", "scratch"), (4, "RUN", "one && two"), (7, "COPY", "a b")]


def test_what_the_builder_does_not_know_ends_it_by_name(tmp_path: Path) -> None:
    for text, why in (
        ("FROM scratch\nVOLUME /x\n", "Dockerfile:2: VOLUME is not known here"),
        ("FROM alpine:3\n", "line 1: only debian:SUITE-slim, scratch and stages are known, not alpine:3"),
        ("FROM scratch\nCOPY --chmod=700 a b\n", "line 2: COPY with chmod is not known here"),
        ("RUN x\n", "an instruction before the first FROM"),
    ):
        file = tmp_path / "Dockerfile"
        file.write_text(text)
        (tmp_path / why[:9]).mkdir()
        with pytest.raises(by_hand.CannotBuild, match=re.escape(why)):
            by_hand.Builder(tmp_path, tmp_path / why[:9]).build(file)


def test_the_sbom_names_every_distribution_and_every_package_once(tmp_path: Path) -> None:
    site = tmp_path / "opt/kai/lib/python3.13/site-packages"
    for name, version, licence in (("kai_netdebug", "0.1.0", "Apache-2.0"), ("Some_Thing", "1.2", "")):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        more = f"License-Expression: {licence}\n" if licence else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}")
    status = tmp_path / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    (status / "libc6").write_text(
        "Package: libc6\nVersion: 2.41-12+deb13u1\nArchitecture: amd64\nDescription: C\n long: text\n"
    )

    bill = sbom.bill(tmp_path)

    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/kai-netdebug@0.1.0"
    assert [each["purl"] for each in bill["components"]] == [
        "pkg:pypi/some-thing@1.2",
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=trixie",
    ]
    assert bill == sbom.bill(tmp_path)
