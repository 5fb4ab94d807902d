"""Packs values for a row: text without secrets and of bounded length, JSON compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from sensors.kit.secrets import may_hold_secret, redact

MAX_TEXT_CHARS = 2000
"""Characters of one text in a row."""

MAX_JSON_BYTES = 4_000_000
"""Bytes of one JSON value before it is compressed; a result of a hundred sensors stays far below."""

HIDDEN = "[hidden]"

_EXACT = frozenset({"patch", "inverse", "kubectl", "undo"})
"""What is applied as it stands. Our own builders make it of selectors and ports; to change it would be a new patch."""


_A_KEY = '"key":'
"""A field's name that holds no credential by itself, and would have nearly every row washed for nothing."""


class TooLarge(ValueError):
    """A value that no row should hold. The message is one line."""


def plain(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Text as a row may hold it: secrets hidden, no NUL (Postgres refuses it), no half characters, not endless."""
    shown = without_secrets(text[: longest * 2]).replace("\0", "").encode("utf-8", "replace").decode()
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def without_secrets(text: str) -> str:
    """Text in which what looks like a credential is replaced. A net under those who should not have passed it on."""
    return redact(text, HIDDEN)


def pack(value: Mapping[str, Any]) -> bytes:
    """A JSON object without secrets, compressed. Raises `TooLarge`."""
    text = _plain_json(value) or _json(_washed(value))
    if len(text) > MAX_JSON_BYTES:
        raise TooLarge(f"{len(text)} bytes of JSON are more than the {MAX_JSON_BYTES} that a row holds")
    return zlib.compress(text.encode("ascii"), 6)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _plain_json(value: Any) -> str:
    """The JSON of a value in which there is nothing to wash, as in most; empty where that cannot be told at once."""
    try:
        text = _json(value)
    except TypeError:  # keys or mappings that only washing turns into JSON's own
        return ""
    return "" if "\\u" in text or may_hold_secret(text.replace(_A_KEY, "")) else text


def unpack(packed: bytes) -> dict[str, Any]:
    value = json.loads(zlib.decompress(packed))
    return value if isinstance(value, dict) else {}


def _washed(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {str(key): each if key in _EXACT else _washed(each) for key, each in value.items()}
    return [_washed(each) for each in value] if isinstance(value, list | tuple) else value
