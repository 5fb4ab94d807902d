"""Selects objects of a list: label selectors, field selectors, pages.

Sources: apimachinery `pkg/labels/selector.go`, `pkg/fields`; the fields are those each kind is indexed by.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.cluster.refusal import StatusRefusal, bad_request
from lab.cluster.store import Thing, name_of

LabelTest = Callable[[Mapping[str, str]], bool]
ANYWHERE = ("metadata.name", "metadata.namespace")
FIELDS = {
    "Pod": ("spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy", "spec.serviceAccountName"),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "reason",
        "type",
    ),
}
SET = re.compile(r"^\s*(?P<key>\S+)\s+(?P<how>in|notin)\s+\((?P<values>[^)]*)\)\s*$")


def wanted(kind: str, labels: str, fields: str) -> Callable[[Thing], bool]:
    """The test of both selectors. Raises `StatusRefusal` (400) where one cannot be understood."""
    tests = [_label_test(each) for each in _parts(labels)]
    pairs = [_field(kind, each) for each in fields.split(",") if each]

    def test(thing: Thing) -> bool:
        has = thing["metadata"].get("labels") or {}
        return all(each(has) for each in tests) and all(_is(thing, *pair) for pair in pairs)

    return test


def _parts(selector: str) -> list[str]:
    return [each.strip() for each in re.split(r",(?![^(]*\))", selector) if each.strip()]


def _label_test(part: str) -> LabelTest:
    if found := SET.match(part):
        key, values = found["key"], {each.strip() for each in found["values"].split(",")}
        if found["how"] == "in":
            return lambda has: has.get(key) in values
        return lambda has: has.get(key) not in values
    for sign in ("!=", "==", "="):
        key, found_sign, value = part.partition(sign)
        if found_sign:
            return _equals(key.strip(), value.strip(), sign == "!=")
    if " " in part:
        raise bad_request(f"unable to parse requirement: {part!r}")
    if part.startswith("!"):
        return lambda has: part[1:].strip() not in has
    return lambda has: part in has


def _equals(key: str, value: str, negated: bool) -> LabelTest:
    return lambda has: (has.get(key) == value) is not negated


def _field(kind: str, part: str) -> tuple[str, str, bool]:
    for sign in ("!=", "==", "="):
        name, found, value = part.partition(sign)
        if found:
            if name not in ANYWHERE + FIELDS.get(kind, ()):
                raise bad_request(f"field label not supported: {name}")
            return name, value, sign == "!="
    raise bad_request(f"invalid field selector: {part!r}")


def _is(thing: Thing, field: str, value: str, negated: bool) -> bool:
    here: Any = thing
    for key in field.split("."):
        here = here.get(key) if isinstance(here, Mapping) else None
    return (str(here if here is not None else "") == value) is not negated


def named(fields: str) -> str:
    """The one name a field selector asks for: rights with `resourceNames` cover such a list."""
    found = [each.partition("=")[2].lstrip("=") for each in fields.split(",") if each.startswith("metadata.name=")]
    return found[0] if found else ""


def page(things: Sequence[Thing], limit: int, token: str, version: int) -> tuple[list[Thing], dict[str, Any]]:
    """One page, and what its list's metadata says. Raises `StatusRefusal` (410) on a token nobody gave out."""
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    rest = list(things)
    if token:
        meta["resourceVersion"], last = _read_token(token)
        rest = [each for each in rest if name_of(each) > last]
    if not limit or len(rest) <= limit:
        return rest, meta
    shown = rest[:limit]
    said = json.dumps({"v": "lab", "rv": meta["resourceVersion"], "start": name_of(shown[-1])})
    more = base64.urlsafe_b64encode(said.encode()).decode()
    return shown, {**meta, "continue": more, "remainingItemCount": len(rest) - limit}


def _read_token(token: str) -> tuple[str, tuple[str, str]]:
    try:
        said = json.loads(base64.urlsafe_b64decode(token))
        space, name = said["start"]
        return str(said["rv"]), (str(space), str(name))
    except (ValueError, KeyError, TypeError):
        raise StatusRefusal(400, "BadRequest", "continue key is not valid") from None
