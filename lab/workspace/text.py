"""From what a person types to what Slack stores: escaping, mentions, channels, links and rich text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_NAME = re.compile(r"(?<![\w@#&])([@#])([\w.-]*\w)|(https?://[^\s<>|]+)")
_TOKEN = re.compile(r"<([@#!]?)([^>|]+)(?:\|([^>]*))?>")


def escape(text: str) -> str:
    """The three characters that Slack escapes, and only they."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def compose(typed: str, handles: Mapping[str, str]) -> str:
    """Text as stored: `@alice` becomes `<@U0ALICE>` for every known handle (`@alice`, `#alerts`, `@oncall`)."""

    def link(match: re.Match[str]) -> str:
        if match[3]:
            return f"<{match[3]}>"
        return handles.get(match[1] + match[2], match[0])

    return _NAME.sub(link, escape(typed))


def rich_text(stored: str) -> Json:
    """The block that Slack adds to what a person writes."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(_parts(stored))}]}


def _parts(stored: str) -> Iterator[Json]:
    at = 0
    for token in _TOKEN.finditer(stored):
        if token.start() > at:
            yield {"type": "text", "text": unescape(stored[at : token.start()])}
        yield _part(*token.groups())
        at = token.end()
    if at < len(stored):
        yield {"type": "text", "text": unescape(stored[at:])}


def _part(sigil: str, name: str, label: str | None) -> Json:
    if sigil == "@":
        return {"type": "user", "user_id": name}
    if sigil == "#":
        return {"type": "channel", "channel_id": name}
    if sigil == "!" and name.startswith("subteam^"):
        return {"type": "usergroup", "usergroup_id": name.removeprefix("subteam^")}
    if sigil == "!":
        return {"type": "broadcast", "range": name}
    return {"type": "link", "url": unescape(name), **({"text": unescape(label)} if label else {})}
