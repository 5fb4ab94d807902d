"""Person and place of a pressed button or a shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.slack.ephemeral import Asker
from bot.store import OriginKind


def pressed(body: Mapping[str, Any], key: str, thread: str, kind: OriginKind = OriginKind.MENTION) -> Asker:
    """The asker of an interactive payload."""
    return Asker(
        str((body.get("user") or {}).get("id") or ""),
        str((body.get("channel") or {}).get("id") or ""),
        key,
        kind,
        thread,
        str(body.get("trigger_id") or ""),
        str(body.get("response_url") or ""),
    )
