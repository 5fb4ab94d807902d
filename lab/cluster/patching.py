"""Applies a patch to an object as the API server does, whatever of the three kinds it is.

A strategic merge patch is taken where it means the same as a merge patch, and refused (415) where lists would be merged
by key, since that is not simulated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.fixes.jsonpatch import CannotPatch, apply, merge, value_at
from lab.cluster.refusal import bad_request, unprocessable, unsupported
from lab.cluster.resources import Resource

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, SERVER_SIDE = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
DIRECTIVES = ("$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")
OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})
MOST_OPERATIONS = 10_000


def patched(resource: Resource, before: Mapping[str, Any], patch: Any, media: str) -> dict[str, Any]:
    """The object after the patch. Raises `Refusal` as the API server would."""
    if media == JSON_PATCH:
        return _json_patched(before, patch)
    strategic = media == STRATEGIC and not resource.is_custom
    if media != MERGE_PATCH and not strategic:
        raise unsupported(_accepted(resource))
    if not isinstance(patch, Mapping):
        raise bad_request("error decoding patch: the body is not an object")
    if strategic and not _is_plain(resource, patch):
        raise unsupported((JSON_PATCH, MERGE_PATCH))
    merged = merge(before, patch)
    return dict(merged)


def _accepted(resource: Resource) -> tuple[str, ...]:
    return (JSON_PATCH, MERGE_PATCH) if resource.is_custom else (JSON_PATCH, MERGE_PATCH, STRATEGIC)


def _json_patched(before: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    if not isinstance(patch, list) or not all(_is_operation(each) for each in patch):
        raise bad_request("error decoding patch: not a list of JSON patch operations")
    if len(patch) > MOST_OPERATIONS:
        raise bad_request(f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}")
    now = dict(before)
    try:
        for operation in patch:
            now = apply(now, _as_meant(now, operation))
    except CannotPatch:
        raise unprocessable() from None
    return now


def _as_meant(now: Mapping[str, Any], operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The API server's patch library is milder than RFC 6902 with a key that a mapping does not have.

    `replace` adds it, and `test` for null passes (checked on a real server; evanphx/json-patch `partialDoc.get`).
    """
    path, kind = operation["path"], operation["op"]
    parent, _, key = path.rpartition("/")
    holder = value_at(now, parent) if parent else now
    if kind in ("replace", "test") and isinstance(holder, Mapping) and unescaped(key) not in holder:
        if kind == "replace":
            return [{**operation, "op": "add"}]
        if operation.get("value") is None:
            return []
    return [dict(operation)]


def unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def _is_operation(each: Any) -> bool:
    return isinstance(each, Mapping) and each.get("op") in OPERATIONS and isinstance(each.get("path"), str)


def _is_plain(resource: Resource, patch: Mapping[str, Any]) -> bool:
    """No directive, and no list but those of a NetworkPolicy's spec, which are replaced as a whole (atomic)."""
    keys = list(_keys(patch))
    if any(path[-1].startswith(DIRECTIVES) for path, _ in keys):
        return False
    atomic = resource.kind == "NetworkPolicy"
    return not any(isinstance(value, list) and not (atomic and path[0] == "spec") for path, value in keys)


def _keys(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield (*path, key), each
            yield from _keys(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each, path)
