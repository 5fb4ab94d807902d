"""Read objects of a cluster without trusting them: a wrong type never crashes, it is said where it stands.

A policy that holds anything these readers do not know raises ``NotUnderstood`` inside the parser; the parser keeps the
rule (or the policy) as undecidable, with the place. Nothing is skipped silently, since a skipped word may be a deny.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeGuard

Json = Mapping[str, Any]


class NotUnderstood(ValueError):
    """A place in a policy whose meaning is not known here."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}" if path else why)


class Invalid(NotUnderstood):
    """Raised for what the datapath's own validation refuses. Cilium then applies nothing of the whole object."""


def is_object(value: object) -> TypeGuard[Json]:
    """Checks whether it is a JSON object. Nearly all are dicts, of which Python need not ask the abstract class."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101  (the order is what makes it fast)


def mapping(value: object, path: str) -> Json:
    """A JSON object; ``null`` and an absent key count as empty, as the API server reads them."""
    if value is None:
        return {}
    if not is_object(value):
        raise NotUnderstood(path, f"expected an object, found {_kind(value)}")
    return value


def items(value: object, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise NotUnderstood(path, f"expected a list, found {_kind(value)}")
    return list(value)


def numbered(value: object, path: str) -> Iterator[tuple[str, Any]]:
    """Each item of a list with its JSON pointer."""
    for index, item in enumerate(items(value, path)):
        yield f"{path}/{index}", item


def text(value: object, path: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotUnderstood(path, f"expected text, found {_kind(value)}")
    return value


def texts(value: object, path: str) -> tuple[str, ...]:
    return tuple(text(item, where) for where, item in numbered(value, path))


def number(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotUnderstood(path, f"expected a number, found {_kind(value)}")
    return value


def only(value: Json, known: Collection[str], path: str) -> None:
    """Refuse keys nobody here knows: they may change what the rest means."""
    for key in value:
        if key not in known:
            raise NotUnderstood(f"{path}/{pointer(key)}", "this field is not known here")


def pointer(key: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def loose_mapping(value: object) -> Json:
    """For objects that are not policies (pods, Services …): what is no object counts as empty."""
    return value if is_object(value) else {}


def loose_items(value: object) -> list[Json]:
    if not isinstance(value, list | tuple):
        return []
    return [item for item in value if is_object(item)]


def loose_labels(value: object) -> dict[str, str]:
    return {k: v for k, v in loose_mapping(value).items() if isinstance(k, str) and isinstance(v, str)}


def loose_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _kind(value: object) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")
