"""Compact form of large lists: what is looked into for a few of many objects stays JSON, what is equal is kept once.

A pod of 6.5 kB takes 30 kB as Python objects: 12 kB of that are `metadata.managedFields`, 4 kB its volumes, which are
the same projected token in every pod. Lost are `status.images` of nodes, and who wrote
which field of a status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from sensors.kit.objects import items, mapping

EQUAL = (("metadata", "labels"), ("metadata", "ownerReferences"), ("spec", "tolerations"), ("spec", "affinity"))
"""Paths whose values are the same in all pods of a workload, some in all pods."""


PARTS = (("spec", "containers"), ("spec", "volumes"), ("endpoints",))
"""Paths of lists whose rows have such values: environment and probes of containers, conditions of endpoints."""


class FoldedFields(Mapping[str, Any]):
    """A `fieldsV1` as JSON, decoded anew for each look into it: sensors read those of a few objects."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __getitem__(self, key: str) -> Any:
        return self._fields()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields())

    def __len__(self) -> int:
        return len(self._fields())

    def _fields(self) -> dict[str, Any]:
        return cast("dict[str, Any]", msgspec.json.decode(self._text))


class EqualParts:
    """Values of one list that were seen before, by their JSON."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}

    def once(self, value: Any) -> Any:
        """The same value, as the object that came first; what is no container is given back."""
        return self._known.setdefault(msgspec.json.encode(value), value) if isinstance(value, dict | list) else value

    def keep_once(self, part: Any) -> None:
        for key, value in mapping(part).items():
            part[key] = self.once(value)


def compact(page: Iterable[dict[str, Any]], known: EqualParts) -> None:
    """Changes the objects of a page in place; they were decoded just now, and nobody else has them."""
    for each in page:
        _fold(each)
        for part, key in EQUAL:
            if isinstance(inside := each.get(part), dict) and key in inside:
                inside[key] = known.once(inside[key])
        for path in PARTS:
            for inner in items(each, *path):
                known.keep_once(inner)
        if each.get("kind") == "Node" and isinstance(each.get("status"), dict):
            each["status"].pop("images", None)


def _fold(thing: dict[str, Any]) -> None:
    """Keep who wrote what into the spec; what a controller wrote into the status is no change of anybody."""
    if entries := items(thing, "metadata", "managedFields"):
        written = [dict(each) for each in entries if each.get("subresource") != "status"]
        thing["metadata"]["managedFields"] = [_folded(each) for each in written]


def _folded(entry: dict[str, Any]) -> dict[str, Any]:
    fields = entry.get("fieldsV1")
    return {**entry, "fieldsV1": FoldedFields(msgspec.json.encode(fields))} if isinstance(fields, dict) else entry
