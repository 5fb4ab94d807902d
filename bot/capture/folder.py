"""Writes a case folder: real tools' own formats, and one file of ours that says what was asked and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from bot.capture.lines import lines_of
from bot.capture.recorder import ClusterRecorder
from bot.capture.redaction import redacted, without_paths
from sensors.hubble.lines import FlowReading
from sensors.kit import Environment, Object, Target

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class NotEmpty(ValueError):
    """There is something in the folder already. The message is one line."""


def claim(folder: Path) -> None:
    """Make the folder, or take an empty one. Raises `NotEmpty` and `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotEmpty(f"{folder} is not empty; name a new folder with -o DIR")


def release(folder: Path) -> None:
    """Take an empty folder away again: nothing came of the capture."""
    with suppress(OSError):  # it is not empty, not ours to remove, or gone
        folder.rmdir()


def write_case(
    folder: Path, target: Target, seen: ClusterRecorder, at: datetime, environment: Environment, *, redact: bool = False
) -> None:
    """Everything that was seen, and `case.yaml` last: a folder without it was not finished."""
    for kind, objects in seen.kinds.items():
        _write(folder, ("objects", f"{kind.plural}.yaml"), list_of(objects, redact=redact))
    if seen.messages:
        messages = without_paths(seen.messages) if redact else seen.messages
        _write(folder, ("flows.jsonl",), "".join(lines_of(messages)))
    for parts, text in seen.texts.items():
        if not (redact and parts[0] == "logs"):
            _write(folder, parts, text)
    for name, table in (
        ("dns.json", seen.lookups_of),
        ("connect.json", seen.connects_of),
        ("pmtu.json", seen.paths_of),
    ):
        for pod, rows in table.items():
            if rows or "/".join(("pods", *pod, name)) not in seen.missing:
                _write(folder, ("pods", *pod, name), rows_of(rows))
    _write(folder, ("case.yaml",), header_of(target, seen, at, environment, redact=redact))


def list_of(objects: Iterable[Object], *, redact: bool = False) -> str:
    """As `kubectl get -o yaml` writes a list; an empty one says that there are none."""
    items = [_plain(redacted(each)) if redact else _plain(each) for each in objects]
    return _yaml({"apiVersion": "v1", "items": items, "kind": "List"})


def rows_of(rows: Iterable[DataclassInstance]) -> str:
    """Rows as the probe tells them, without what was not said."""
    told = [{key: value for key, value in asdict(each).items() if value is not None} for each in rows]
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def header_of(target: Target, seen: ClusterRecorder, at: datetime, environment: Environment, *, redact: bool) -> str:
    """case.yaml. What is missing is named with its reason, so that nobody takes it for calm."""
    said: dict[str, Any] = {
        "target": _known({"pod": target.pod, "namespace": target.namespace, "to": target.to}),
        "recorded": {"at": at.isoformat().replace("+00:00", "Z"), "by": "kai capture", **_came_of(seen)},
        "cluster": _known(
            {
                "name": environment.name,
                "cni": environment.cni,
                "cni_version": environment.cni_version,
                "kubernetes": environment.kubernetes,
                "kube_proxy_replacement": environment.kube_proxy_replacement,
                "service_cidr": list(environment.service_cidrs),
                "pod_cidrs": list(environment.pod_cidrs),
                "flow_source": environment.flow_source,
            }
        ),
        "synthetic": False,
    }
    if redact:
        said["recorded"]["redacted"] = True
    return _yaml(said)


def _came_of(seen: ClusterRecorder) -> dict[str, Any]:
    """Notes on the reading of the flows, which their file alone does not show, and on missing parts."""
    reading = next((each for each in reversed(seen.messages) if isinstance(each, FlowReading)), None)
    if reading is None:
        return {"missing": missing_of(seen)}
    bad = {"unreadable": reading.garbage, "first_unreadable": reading.first_garbage} if reading.garbage else {}
    return {"flows": {"read": reading.flows, **bad, "complete": not reading.truncated}, "missing": missing_of(seen)}


def missing_of(seen: ClusterRecorder) -> list[str]:
    """`part: reason`, sorted; also when flows were read, but not all of them."""
    missing = dict(seen.missing)
    if any(isinstance(each, FlowReading) and each.truncated for each in seen.messages):
        missing["flows.jsonl"] = "not complete: the relay did not answer to the end"
    return [f"{where}: {why}" for where, why in sorted(missing.items())]


def _known(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value not in (None, [])}


def _plain(thing: Any) -> Any:
    """Mappings of any kind as dicts, which is what YAML can write."""
    if isinstance(thing, Mapping):
        return {key: _plain(value) for key, value in thing.items()}
    return [_plain(each) for each in thing] if isinstance(thing, list | tuple) else thing


def _yaml(said: Any) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(said, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120))


def _write(folder: Path, parts: tuple[str, ...], text: str) -> None:
    """One file below the folder. Names come from the cluster: one that would leave the folder is not written."""
    flat = [piece for part in parts for piece in PurePosixPath(part).parts]
    if any(piece in ("..", "/") or "\\" in piece or "\0" in piece for piece in flat):
        return
    path = folder.joinpath(*flat)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
