"""The Kubernetes objects of a case folder: `kubectl get … -o yaml` as it comes, and what it says where it failed.

A file that holds no answer (nothing at all, an error message, a list that breaks off) makes its kind blind: it must
never read as "there are none". Old API groups are read as the ones that took their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sensors.access.case_files import MOST_OBJECTS, Unfit, read_bytes, text_of
from sensors.access.case_yaml import documents_in
from sensors.kit.cluster import Object
from sensors.kit.kinds import KINDS, Kind
from sensors.kit.objects import one_line

SUFFIXES = (".yaml", ".yml", ".json")
MAX_VALUES = 20_000_000
"""Values in one file, YAML aliases followed: what is beyond is made to exhaust its reader."""

_REFUSED = re.compile(
    r"\s*(?:error:|Error from server|Unable to connect|The connection to the server|No resources found|couldn't get|"
    r"(?:error|Error) (?:loading|validating)|E\d{4} |kubectl\b|.{0,40}command not found|Forbidden|Unauthorized)"
)
_RENAMED = {"extensions": {"NetworkPolicy": "networking.k8s.io/v1", "ReplicaSet": "apps/v1", "Deployment": "apps/v1"}}
_RENAMED["extensions"]["DaemonSet"] = "apps/v1"
_SAME_GROUP = {"crd.projectcalico.org": "projectcalico.org"}
"""Calico's policies as they are stored, where its own API server is not installed: the same words."""


class BadObjects(ValueError):
    """A file that is there and cannot be understood. The message is one line and names the file."""


@dataclass(frozen=True, slots=True)
class RecordedObjects:
    """Objects of a folder of a case. `recorded` are the plurals that were looked at, `unread` why others were not.

    `unread` names plurals; what stands in a file of another name is of no kind that is known, and kept in `strays`.
    """

    by_kind: Mapping[tuple[str, str], tuple[Object, ...]] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    strays: tuple[str, ...] = ()

    def why_not(self, kind: Kind, otherwise: str) -> str:
        """The reason why a kind was not read, where the recording says more than that it is not there."""
        return self.unread.get(kind.plural) or "; ".join((otherwise, *self.strays))


class _NoObjects(Exception):
    """The file holds no objects and does not say that there are none."""


def read_objects(folder: Path) -> RecordedObjects:
    """Everything in `objects/`. Raises `BadObjects`."""
    plurals, found, recorded = {kind.plural for kind in KINDS}, dict[tuple[str, str], list[Object]](), set[str]()
    unread: dict[str, str] = {}
    for path in sorted(each for each in folder.glob("*") if each.suffix in SUFFIXES):
        try:
            documents = documents_of(path)
            for each in _objects(documents, path):
                found.setdefault((_group_of(each), str(each.get("kind") or "")), []).append(each)
        except _NoObjects as why:
            unread[path.stem] = f"objects/{path.name} {why}"
            continue
        recorded |= {path.stem} & plurals
        recorded |= set(_listed_kinds(documents))
    recorded |= {kind.plural for kind in KINDS if (kind.group, kind.name) in found}
    return RecordedObjects(
        {key: tuple(objects) for key, objects in found.items()},
        frozenset(recorded),
        {plural: why for plural, why in unread.items() if plural in plurals - recorded},
        tuple(why for stem, why in unread.items() if stem not in plurals),
    )


def documents_of(path: Path) -> list[Any]:
    """The documents of a YAML or JSON file. Raises `BadObjects`, and `_NoObjects` where kubectl failed."""
    try:
        text = text_of(read_bytes(path, MOST_OBJECTS))
    except (Unfit, OSError, UnicodeDecodeError) as why:
        raise BadObjects(f"{path}: {getattr(why, 'strerror', None) or why}") from None
    if _REFUSED.match(text):
        raise _NoObjects(f"holds no objects but a message: {one_line(text, 160)}")
    documents, may_unfold = _json(text) or _yaml(text, path)
    if not documents:
        raise _NoObjects("is empty: the command that should have filled it failed")
    return _bounded(documents, path) if may_unfold else documents


def load_yaml(path: Path) -> list[Any]:
    """The documents of any other YAML file of a case; none where it is empty. Raises `BadObjects`."""
    try:
        return documents_of(path)
    except _NoObjects:
        return []


def _json(text: str) -> tuple[list[Any], bool] | None:
    """JSON is YAML, too, and read ten times faster as what it is; it has no aliases."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return [json.loads(text)], False
    except (ValueError, RecursionError):
        return None


def _yaml(text: str, path: Path) -> tuple[list[Any], bool]:
    """The documents, and whether there may be aliases in them."""
    try:
        return documents_in(text)
    except yaml.MarkedYAMLError as why:
        line = f", line {why.problem_mark.line + 1}" if why.problem_mark else ""
        raise BadObjects(f"{path}{line}: not YAML ({why.problem or why.context})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as why:
        raise BadObjects(f"{path}: not YAML ({str(why).splitlines()[0] if str(why) else 'too deep'})") from None


def _bounded(documents: list[Any], path: Path) -> list[Any]:
    """The documents, if following their YAML aliases ends soon. Raises `BadObjects`."""
    if _size(documents) > MAX_VALUES:
        raise BadObjects(f"{path}: its YAML aliases unfold to more than {MAX_VALUES:,} values")
    return documents


def _size(whole: list[Any]) -> int:
    """Number of values in a document once every alias is followed, counted without following them."""
    sizes: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(whole, False)]
    while waiting:
        value, children_known = waiting.pop()
        inside = list(value.values() if isinstance(value, dict) else value)
        nested = [each for each in inside if isinstance(each, dict | list)]
        if children_known:
            sizes[id(value)] = len(inside) + sum(sizes.get(id(each), MAX_VALUES) for each in nested)
            continue
        waiting.append((value, True))
        waiting += [(each, False) for each in nested if id(each) not in sizes]
    return sizes[id(whole)]


def _objects(documents: list[Any], path: Path) -> Iterator[Object]:
    """Single objects, `kind: List` and typed lists (`PodList`), any nesting. Raises `_NoObjects` and `BadObjects`."""
    for each in documents:
        if isinstance(each, list) and all(isinstance(inner, dict) for inner in each):
            yield from _objects(each, path)  # `jq -s`
            continue
        if isinstance(each, str):
            raise _NoObjects(f"holds no objects but text: {one_line(each, 160)}")
        if not isinstance(each, dict):
            found = "nothing (null)" if each is None else type(each).__name__
            raise BadObjects(f"{path}: expected Kubernetes objects, found {found}")
        yield from _unpacked(each, path)


def _unpacked(thing: Mapping[str, Any], path: Path) -> Iterator[Object]:
    kind = str(thing.get("kind") or "")
    if not kind:
        keys = one_line(", ".join(map(str, thing)), 80)
        what = "a list that breaks off" if "items" in thing else f"something without a kind ({keys})"
        raise _NoObjects(f"holds {what}")
    if not kind.endswith("List"):
        yield _renewed(thing)
        return
    if not isinstance(thing.get("items"), list):
        raise _NoObjects(f"holds a {kind} whose items are no list")
    yield from _objects([_typed(item, thing) for item in thing["items"]], path)


def _typed(item: Any, parent: Mapping[str, Any]) -> Any:
    """Items of a typed list (`PodList`) may leave out kind and apiVersion: the list says them."""
    kind = str(parent.get("kind") or "")
    if isinstance(item, dict) and "kind" not in item and kind != "List":
        return {"apiVersion": parent.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
    return item


def _listed_kinds(documents: list[Any]) -> Iterator[str]:
    """The plurals that a typed list speaks of, also where it is empty: `kubectl get --raw` says which kind it is."""
    for each in (each for each in documents if isinstance(each, dict)):
        kind = str(each.get("kind") or "")
        if kind.endswith("List") and kind != "List":
            wanted = _group_of(each), kind.removesuffix("List")
            yield from (known.plural for known in KINDS if (known.group, known.name) == wanted)


def _group_of(thing: Object) -> str:
    group = str(thing.get("apiVersion") or "").rpartition("/")[0]
    kind = str(thing.get("kind") or "").removesuffix("List")
    now = _RENAMED.get(group, {}).get(kind)
    return now.rpartition("/")[0] if now else _SAME_GROUP.get(group, group)


def _renewed(thing: Object) -> Object:
    """An object of a group that is gone, as the group that took its place would print it."""
    group, kind = str(thing.get("apiVersion") or "").rpartition("/")[0], str(thing.get("kind") or "")
    if now := _RENAMED.get(group, {}).get(kind):
        return {**thing, "apiVersion": now}
    if kind == "EndpointSlice" and str(thing.get("apiVersion")).endswith("/v1beta1"):
        return {**thing, "apiVersion": "discovery.k8s.io/v1", "endpoints": _with_nodes(thing.get("endpoints"))}
    return thing


def _with_nodes(endpoints: Any) -> Any:
    """discovery.k8s.io/v1beta1 named an endpoint's node in its topology."""
    if not isinstance(endpoints, list):
        return endpoints
    return [
        {"nodeName": each["topology"].get("kubernetes.io/hostname"), **each}
        if isinstance(each, dict) and isinstance(each.get("topology"), dict) and "nodeName" not in each
        else each
        for each in endpoints
    ]
