"""Operations on an object, and their results: guarded patches, marks, differences, the way back. Pure.

Sources: RFC 6902 (JSON Patch), RFC 6901 (pointers); the API server applies `test` operations to the stored object in
the version that was asked for, so that `/metadata/resourceVersion` can be tested like any other field.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.patch.model import PROPOSAL_ANNOTATION, Applied, BadOrder, ClusterChange, Creation, Deletion, Difference, Edit
from flows.fixes import jsonpatch
from sensors.kit.cluster import Object
from sensors.kit.objects import annotations_of, mapping, text

Operation = Mapping[str, Any]
GUARDED = (
    *("/kind", "/apiVersion", "/status", "/metadata/uid", "/metadata/resourceVersion", "/metadata/name"),
    *("/metadata/namespace", "/metadata/ownerReferences", "/metadata/finalizers", "/metadata/managedFields"),
)
"""What an edit never touches: which object this is, whose it is, and what only controllers write."""

PAST = ("ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds")
OPERATION_KEYS = {
    "add": {"value"},
    "remove": set(),
    "replace": {"value"},
    "move": {"from"},
    "copy": {"from"},
    "test": {"value"},
}
VOLATILE = ("resourceVersion", "generation", "managedFields", "creationTimestamp", "uid", "selfLink")
"""Of the metadata: what the API server writes itself. A dry run of a new object makes up a uid each time."""


def guarded_patch(edit: Edit, proposal: str, stored: Object) -> list[dict[str, Any]]:
    """The operations to send: `test` of uid and resourceVersion first, then the edit's own, then the mark."""
    for each in edit.operations:
        _check(each)
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": edit.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": edit.resource_version},
    ]
    return [*tests, *map(dict, edit.operations), *_marking(edit.operations, proposal, stored)]


def _check(operation: Operation) -> None:
    """Only the six operations of the RFC, and none on what says which object this is. Raises `BadOrder`."""
    verb, paths = operation.get("op"), [operation.get(key) for key in ("path", "from") if key in operation]
    if (
        verb not in OPERATION_KEYS
        or not all(isinstance(each, str) and each.startswith("/") for each in paths)
        or not paths
    ):
        raise BadOrder(f"{operation!r} is no operation of a JSON patch")
    if set(operation) != {"op", "path", *OPERATION_KEYS[verb]}:
        raise BadOrder(f"{operation!r} has the wrong parts for {verb}")
    if verb != "test" and any(_touches(str(each), GUARDED) for each in paths):
        raise BadOrder(
            f"{verb} of {operation['path']} is not for a fix: it belongs to the object's identity or its owner"
        )


def _touches(path: str, places: Sequence[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") or each.startswith(f"{path}/") for each in places)


def _marking(operations: Sequence[Operation], proposal: str, stored: Object) -> list[dict[str, Any]]:
    """The mark, whether or not the object has annotations once the operations are done."""
    after = applied_to(stored, operations)
    has = isinstance(mapping(after, "metadata").get("annotations"), Mapping)
    room = [] if has else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [
        *room,
        {"op": "add", "path": f"/metadata/annotations/{jsonpatch.escaped(PROPOSAL_ANNOTATION)}", "value": proposal},
    ]


def applied_to(stored: Object, operations: Sequence[Operation]) -> Object:
    """The object as the operations would leave it; as it was where they do not fit, which the server will say."""
    try:
        return jsonpatch.apply(stored, operations)
    except jsonpatch.CannotPatch:
        return stored


def marked_manifest(creation: Creation, proposal: str) -> dict[str, Any]:
    """The new object with its mark as annotation and label. Raises `BadOrder` where it brings a past of its own."""
    manifest = copy.deepcopy(dict(creation.manifest))
    meta = manifest["metadata"] = dict(manifest["metadata"])
    if past := sorted({"uid", "resourceVersion", "generateName", "ownerReferences", "finalizers"} & set(meta)):
        raise BadOrder(f"a new object has no {', '.join(past)}")
    for table in ("annotations", "labels"):
        meta[table] = {**(meta.get(table) or {}), PROPOSAL_ANNOTATION: proposal}
    return manifest


def carries_mark(thing: Object, proposal: str) -> bool:
    return annotations_of(thing).get(PROPOSAL_ANNOTATION) == proposal


# -- what came of it ---------------------------------------------------------------------------------------------------


def differences(before: Object | None, after: Object | None) -> tuple[Difference, ...]:
    """Every place where the two differ, without what the API server counts itself and without our own mark."""
    return tuple(_differ("", _plain(before), _plain(after)))


def digest(after: Object | None) -> str:
    """Digest of a result: the object without what differs from one dry run to the next."""
    canonical = json.dumps(_plain(after), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(thing: Object | None) -> Any:
    if thing is None:
        return None
    meta = {key: each for key, each in mapping(thing, "metadata").items() if key not in VOLATILE}
    for table in ("annotations", "labels"):
        kept = {key: each for key, each in mapping(meta, table).items() if key != PROPOSAL_ANNOTATION}
        meta = {**{key: each for key, each in meta.items() if key != table}, **({table: kept} if kept else {})}
    return {**{key: each for key, each in thing.items() if key not in ("metadata", "status")}, "metadata": meta}


def _differ(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differ(f"{path}/{jsonpatch.escaped(key)}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            old, new = (each[at] if at < len(each) else None for each in (before, after))
            yield from _differ(f"{path}/{at}", old, new)
    elif before != after:
        yield Difference(path, before, after)


# -- the way back ------------------------------------------------------------------------------------------------------


def undo(
    change: ClusterChange, applied: Applied, inverse: Sequence[Operation] = (), before: Object | None = None
) -> ClusterChange:
    """The change that undoes one, guarded by the state it left: somebody else's change since then stops it.

    `inverse` are the operations that undo an edit. `before` is the object that a deletion took away. Raises `BadOrder`.
    """
    match change:
        case Edit():
            if not inverse:
                raise BadOrder("an edit without its inverse cannot be undone")
            return Edit(change.target, tuple(inverse), applied.uid, applied.resource_version)
        case Creation():
            return Deletion(change.target, applied.uid, applied.resource_version)
        case Deletion():
            if before is None:
                raise BadOrder("what was deleted is not known any more")
            return Creation(_without_past(before))


def _without_past(thing: Object) -> dict[str, Any]:
    meta = {key: each for key, each in mapping(thing, "metadata").items() if key not in VOLATILE}
    kept = {
        key: each for key, each in meta.items() if key not in ("ownerReferences", "finalizers", "deletionTimestamp")
    }
    return {**{key: copy.deepcopy(each) for key, each in thing.items() if key != "status"}, "metadata": kept}


def uid_of(thing: Object) -> str:
    return text(thing, "metadata", "uid")


def version_of(thing: Object) -> str:
    return text(thing, "metadata", "resourceVersion")
