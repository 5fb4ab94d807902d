"""Attachments, the form of messages that alerts still use: as Slack hands them on, which is not as they came in."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
_NAMED = {"good": "2eb886", "warning": "daa038", "danger": "a30200"}
_ADDRESS = re.compile(r"(?<!<)(https?://[^\s>|]+)")


def stored(attachments: list[Any]) -> list[Any]:
    """Numbered, colours as hex without `#`, addresses in the fallback put between angle brackets."""
    return [_stored(one, number) if isinstance(one, dict) else one for number, one in enumerate(attachments, 1)]


def _stored(attachment: Json, number: int) -> Json:
    colour = str(attachment.get("color") or "")
    kept = {name: value for name, value in attachment.items() if value not in (None, "") or name == "text"}
    fallback = attachment.get("fallback") or attachment.get("text") or "[no preview available]"
    return {
        **kept,
        "id": number,
        "fallback": _ADDRESS.sub(r"<\1>", str(fallback)),
        **({"color": _NAMED.get(colour, colour.lstrip("#"))} if colour else {}),
    }
