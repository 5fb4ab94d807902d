"""Other projects' test data, fetched through the Go module proxy into ``.cache/`` (never kept in this repository)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.policy import Endpoint
from flows.policy.inventory import endpoint_of_pod, namespace_labels
from flows.policy.portset import NO_PORTS, PortSet

CACHE = Path(__file__).parents[3] / ".cache" / "go"
Json = dict[str, Any]


def fetch(module: str, checksum: str) -> Path:
    """The unpacked module. Fails loudly: a golden test that cannot look must not pass."""
    go = shutil.which("go")
    if go is None:
        raise AssertionError("the golden tests need `go` on the PATH to fetch other projects' test data")
    environment = {**os.environ, "GOMODCACHE": str(CACHE), "GOFLAGS": "-modcacherw"}
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [go, "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=CACHE, env=environment, capture_output=True, text=True, timeout=120)
    answer = json.loads(done.stdout or "{}")
    if answer.get("Error") or answer.get("Sum") != checksum:
        raise AssertionError(f"{module} cannot be fetched: {answer.get('Error') or done.stderr or answer.get('Sum')}")
    return Path(answer["Dir"])


def documents(folder: Path) -> Iterator[Json]:
    """Every object of a folder, also nested ones and Lists whose items have no kind; broken files are left out."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml", ".json")):
        try:
            for document in yaml.load_all(path.read_text(), yaml.CSafeLoader):
                yield from _unpack(document)
        except (yaml.YAMLError, UnicodeDecodeError):
            continue


def _unpack(document: object) -> Iterator[Json]:
    if not isinstance(document, dict):
        return
    if not isinstance(document.get("items"), list):
        yield document
        return
    kind = str(document.get("kind", "")).removesuffix("List")
    for item in document["items"]:
        yield from _unpack({"kind": kind, "apiVersion": document.get("apiVersion"), **item})


def workloads(objects: list[Json]) -> dict[str, Endpoint]:
    """One pod per workload, by np-guard's name for it: ``namespace/name[Kind]``."""
    spaces = {
        o["metadata"]["name"]: namespace_labels(o["metadata"]["name"], o)
        for o in objects
        if o.get("kind") == "Namespace"
    }
    found: dict[str, Endpoint] = {}
    for item in objects:
        template = _template(item)
        if template is None:
            continue
        metadata = item["metadata"]
        space = metadata.get("namespace") or "default"
        pod = {
            "metadata": {**(template.get("metadata") or {}), "name": metadata["name"], "namespace": space},
            **_rest(template),
        }
        endpoint = endpoint_of_pod(pod, spaces.get(space) or namespace_labels(space, None))
        found.setdefault(f"{space}/{_name(item)}", endpoint)
    return found


def _template(item: Json) -> Json | None:
    spec = item.get("spec") or {}
    if item.get("kind") == "Pod":
        return item
    if item.get("kind") == "CronJob":
        return spec.get("jobTemplate", {}).get("spec", {}).get("template")
    known = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "ReplicationController")
    return spec.get("template") if item.get("kind") in known else None


def _rest(template: Json) -> Json:
    return {"spec": template.get("spec") or {}}


def _name(item: Json) -> str:
    owners = [
        o for o in item["metadata"].get("ownerReferences", ()) if item["kind"] == "Pod" and o.get("kind") != "Node"
    ]
    if owners:
        return f"{owners[0]['name']}[{owners[0].get('kind', '')}]"
    return f"{item['metadata']['name']}[{item['kind']}]"


def expected(path: Path) -> dict[tuple[str, str], PortSet]:
    """Lines like ``a/b[Deployment] => c/d[Pod] : TCP 53,8080-8081,UDP 53``, pods only."""
    found = {}
    for line in path.read_text().splitlines():
        match = re.fullmatch(r"(\S+) => (\S+) : (.*)", line)
        if match and all("[" in side and "{" not in side for side in match.groups()[:2]):
            found[(match[1], match[2])] = ports(match[3])
    return found


def ports(words: str) -> PortSet:
    if words == "All Connections":
        words = "SCTP 1-65535,TCP 1-65535,UDP 1-65535"
    total, protocol = NO_PORTS, ""
    for part in words.split(","):
        name, _, numbers = part.rpartition(" ")
        protocol = name or protocol
        low, _, high = numbers.partition("-")
        total = total | PortSet.of(protocol, int(low), int(high or low))
    return total


def policies(objects: list[Json]) -> list[Mapping[str, Any]]:
    return [item for item in objects if str(item.get("kind", "")).endswith("NetworkPolicy")]
