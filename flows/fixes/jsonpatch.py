"""Applies RFC 6902 patches as the API server would, and finds the patch that leads back.

Pure: documents are plain dicts and are never changed in place. The way back is made from the document itself, so that
it restores exactly what stood there, and it tests first that nobody has changed what it is about to undo.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jsonpatch
import jsonpointer

Operation: TypeAlias = Mapping[str, Any]
Json: TypeAlias = Mapping[str, Any]

CHANGES = ("add", "remove", "replace")


class CannotPatch(ValueError):
    """The patch does not fit the document. The message is one line."""


def apply(document: Json, patch: Sequence[Operation]) -> dict[str, Any]:
    """The document after the patch. Raises `CannotPatch` where the API server would refuse."""
    try:
        changed = jsonpatch.apply_patch(copy.deepcopy(dict(document)), [dict(each) for each in patch])
    except jsonpatch.JsonPatchTestFailed as why:
        raise CannotPatch(f"the object is not as it was read ({_first_line(why)})") from None
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as why:
        raise CannotPatch(_first_line(why)) from None
    except (TypeError, AttributeError, KeyError, IndexError, ValueError) as why:
        raise CannotPatch(f"the patch does not fit the object ({type(why).__name__}: {_first_line(why)})") from None
    if not isinstance(changed, dict):
        raise CannotPatch("the patch leaves no object")
    return changed


def merge(document: Any, patch: Any) -> Any:
    """The document after a merge patch (RFC 7386): null removes a key, a list replaces a list."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = dict(document) if isinstance(document, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def inverse(document: Json, patch: Sequence[Operation]) -> tuple[dict[str, Any], ...]:
    """The patch that undoes `patch` on the document it changed: last change first, each behind a test of what we wrote.

    Knows `add`, `remove` and `replace`; `test` needs no undoing. Raises `CannotPatch`.
    """
    back: list[tuple[dict[str, Any], ...]] = []
    now = dict(document)
    for operation in patch:
        if operation["op"] in CHANGES:
            back.append(_undo(now, operation))
        elif operation["op"] != "test":
            raise CannotPatch(f"{operation['op']!r} has no way back here")
        now = apply(now, [operation])
    return tuple(each for operations in reversed(back) for each in operations)


def value_at(document: Any, path: str) -> Any:
    """The value at a JSON pointer, None where there is none."""
    return jsonpointer.resolve_pointer(document, path, None)


def escaped(word: str) -> str:
    """One part of a JSON pointer."""
    return word.replace("~", "~0").replace("/", "~1")


def _undo(document: Json, operation: Operation) -> tuple[dict[str, Any], ...]:
    path = _concrete(document, operation["path"])
    wrote = {"op": "test", "path": path, "value": operation.get("value")}
    if operation["op"] == "remove":
        return ({"op": "add", "path": path, "value": value_at(document, path)},)
    if operation["op"] == "replace" or _stands_there(document, path):
        return wrote, {"op": "replace", "path": path, "value": value_at(document, path)}
    return wrote, {"op": "remove", "path": path}


def _concrete(document: Json, path: str) -> str:
    """`/spec/egress/-` as the place where the new member will stand."""
    parent, _, last = path.rpartition("/")
    return f"{parent}/{len(value_at(document, parent) or ())}" if last == "-" else path


def _stands_there(document: Json, path: str) -> bool:
    """Checks whether `add` would overwrite: a key of a mapping that exists. In a list it always inserts."""
    parent, _, last = path.rpartition("/")
    holder = value_at(document, parent) if parent else document
    return isinstance(holder, Mapping) and last.replace("~1", "/").replace("~0", "~") in holder


def _first_line(why: Exception) -> str:
    return (str(why).splitlines() or [type(why).__name__])[0]
