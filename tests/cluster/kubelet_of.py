"""What a kubelet makes of a pod's template, as far as a process needs it: volumes as folders, environment, words.

Paths of the container stand for folders of the test: where a mount is named, its folder is put in place.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.apiserver import ApiServer


@dataclass(frozen=True)
class Started:
    """How to start the container's process on this machine."""

    environ: dict[str, str]
    arguments: tuple[str, ...]


def as_the_kubelet(server: ApiServer, pod: Mapping[str, Any], namespace: str, folder: Path) -> Started:
    """The only container of a pod's template. Secrets and ConfigMaps are read from the server, where they must be."""
    (container,) = pod["spec"]["containers"]
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    here = {
        each["mountPath"]: _volume(server, volumes[each["name"]], namespace, folder)
        for each in container["volumeMounts"]
    }
    environ = {each["name"]: _value(server, each, namespace) for each in container.get("env") or ()}
    return Started({name: _moved(each, here) for name, each in environ.items()}, tuple(container["args"]))


def _volume(server: ApiServer, volume: Mapping[str, Any], namespace: str, folder: Path) -> Path:
    where = folder / str(volume["name"])
    where.mkdir(parents=True)
    if "secret" in volume:
        secret = volume["secret"]
        data = _data(server, "secrets", secret["secretName"], namespace, optional=secret.get("optional", False))
        for name, value in data.items():
            (where / name).write_bytes(base64.b64decode(value))
    elif "configMap" in volume:
        for name, value in _data(server, "configmaps", volume["configMap"]["name"], namespace).items():
            (where / name).write_text(value)
    else:
        assert {"emptyDir", "persistentVolumeClaim"} & set(volume), volume
    return where


def _value(server: ApiServer, variable: Mapping[str, Any], namespace: str) -> str:
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    wanted = variable["valueFrom"]["secretKeyRef"]
    return base64.b64decode(_data(server, "secrets", wanted["name"], namespace)[wanted["key"]]).decode()


def _data(server: ApiServer, kind: str, name: str, namespace: str, *, optional: bool = False) -> dict[str, str]:
    reply = server.ask("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}")
    if optional and reply.status == 404:
        return {}
    assert reply.status == 200, (kind, name, reply)
    data: dict[str, str] = reply.body.get("data") or {}
    return data


def _moved(text: str, here: Mapping[str, Path]) -> str:
    """In one pass, since the folders of a test begin with a mount's path (/tmp) themselves."""
    mounts = "|".join(re.escape(each) for each in sorted(here, key=len, reverse=True))
    return re.sub(rf"(?:{mounts})(?![\w-])", lambda found: str(here[found[0]]), text)
