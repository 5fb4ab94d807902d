"""The generated Hubble stubs: nobody edits them by hand, and they ask for no newer runtime than we promise."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PB = ROOT / "sensors" / "hubble" / "pb"


def stubs(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.glob("cilium/*/*_pb2*.py*"))}


def generated_with() -> str:
    line = next(
        each for each in stubs(PB)["cilium/observer/observer_pb2_grpc.py"].splitlines() if "GENERATED_VERS" in each
    )
    return line.split("'")[1]


def test_regenerating_gives_the_committed_stubs(tmp_path: Path) -> None:
    if importlib.metadata.version("grpcio-tools") != generated_with():
        pytest.skip(f"stubs were made with grpcio-tools {generated_with()}")

    subprocess.run([sys.executable, PB / "regenerate.py", "--into", tmp_path], check=True, capture_output=True)

    assert stubs(tmp_path / "sensors" / "hubble" / "pb") == stubs(PB)


def test_the_stubs_do_not_ask_for_a_newer_protobuf_than_we_do() -> None:
    text = stubs(PB)["cilium/flow/flow_pb2.py"]
    needed = next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("# Protobuf Python Version"))
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert [each for each in wanted if each.startswith("protobuf>=")] == [f"protobuf>={needed},<8"]


def test_the_wire_path_is_hubbles_own() -> None:
    assert "'/observer.Observer/GetFlows'" in stubs(PB)["cilium/observer/observer_pb2_grpc.py"]


def test_protos_name_their_licence_and_only_their_imports_are_ours() -> None:
    for proto in PB.glob("cilium/*/*.proto"):
        text = proto.read_text()

        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n// Copyright Authors of ")
        assert 'import "flow/' not in text
        assert 'import "relay/' not in text


def test_reading_recordings_needs_no_protobuf() -> None:
    code = "import sys, sensors.hubble.lines, sensors.hubble.connections; print('google.protobuf' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)

    assert said.stdout.strip() == "False"
