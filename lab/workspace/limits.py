"""Limits of a message or a view as a whole, and Slack's error beyond them; `block_shapes` has the parts.

Sources: the Block Kit reference, slack-sdk's models, and for the two limits that Slack does not document (about 13,200
characters of text in all blocks of a message; tables in one message) public bug reports of those who ran into them.
Where only the limit is known, the wording of the complaint is ours; the error code is always Slack's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.workspace.block_shapes import (
    HOME_BLOCKS,
    MESSAGE_BLOCKS,
    MODAL_BLOCKS,
    OPTION,
    OPTION_GROUP,
    TEXT_OF_ALL_MARKDOWN,
    only,
    plain,
)
from lab.workspace.shapes import (
    ShapeCheck,
    anything,
    at_least_one_of,
    both,
    complaint,
    flag,
    listing,
    shape,
    string,
    typed,
)

BLOCKS_OF_A_MESSAGE = 50
BLOCKS_OF_A_VIEW = 100
TEXT_OF_A_MESSAGE = 40_000  # longer is cut, with a warning
TEXT_OF_AN_UPDATE = 4_000  # longer is refused
TEXT_OF_ALL_BLOCKS = 13_200  # undocumented; 13,172 to 13,297 were measured
METADATA_BYTES = 4_000  # about; undocumented
VIEW_BYTES = 250_000
ATTACHMENTS = 100
OPTIONS_OF_A_SUGGESTION = 100

TABLES = ("table", "data_table")


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why Slack refuses: its error code, and its complaints with the places they are about."""

    error: str
    complaints: tuple[str, ...] = ()

    def answer(self) -> dict[str, Any]:
        """The body of Slack's refusal."""
        body: dict[str, Any] = {"ok": False, "error": self.error}
        if self.complaints:
            body["errors"] = list(self.complaints)
            body["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in self.complaints]}
        return body


# ---- messages and views ----------------------------------------------------------------------------------------------

_MESSAGE = listing(only(*MESSAGE_BLOCKS), BLOCKS_OF_A_MESSAGE, 0)
_VIEW = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
_VIEWS: dict[str, ShapeCheck] = {
    "modal": shape(
        {"title": plain(24), "blocks": listing(only(*MODAL_BLOCKS), BLOCKS_OF_A_VIEW, 0)},
        {
            **_VIEW,
            "submit": plain(24),
            "close": plain(24),
            "clear_on_close": flag,
            "notify_on_close": flag,
            "submit_disabled": flag,
        },
    ),
    "home": shape({"blocks": listing(only(*HOME_BLOCKS), BLOCKS_OF_A_VIEW, 0)}, _VIEW),
}


# ---- the two questions ---------------------------------------------------------------------------------------------


def check_blocks(blocks: Any) -> Problem | None:
    """Problem of the blocks of one message, or None."""
    found = tuple(_MESSAGE(blocks, "/blocks")) or tuple(_twice(blocks, "/blocks"))
    if found:
        return Problem("invalid_blocks", found)
    if sum(block["type"] in TABLES for block in walk(blocks)) > 1:
        return Problem("invalid_attachments", (complaint("only_one_table_allowed", "/blocks"),))
    if _length(blocks) > TEXT_OF_ALL_BLOCKS:
        return Problem("msg_blocks_too_long")
    if sum(len(block["text"]) for block in walk(blocks) if block["type"] == "markdown") > TEXT_OF_ALL_MARKDOWN:
        return Problem("msg_too_long")
    return None


def check_message(message: Mapping[str, Any]) -> Problem | None:
    """Problem that Slack would see in a new message (`text`, `blocks`, `attachments`, `metadata`), or None."""
    if not (message.get("text") or message.get("blocks") or message.get("attachments")):
        return Problem("no_text")
    checks: tuple[tuple[str, Callable[[Any], Problem | None]], ...] = (
        ("blocks", check_blocks),
        ("attachments", _attachments),
        ("metadata", _metadata),
    )
    found = (check(message[name]) for name, check in checks if message.get(name))
    return next((problem for problem in found if problem), None)


def check_update(message: Mapping[str, Any]) -> Problem | None:
    """The same for `chat.update`, whose text is held shorter."""
    if len(str(message.get("text") or "")) > TEXT_OF_AN_UPDATE:
        return Problem("msg_too_long")
    return check_message(message)


def check_view(view: Any) -> Problem | None:
    """Problem that Slack would see in a modal or a home tab, or None."""
    found = tuple(typed(_VIEWS)(view, "/view"))
    if not found:
        found = tuple(_twice(view["blocks"], "/view/blocks")) + tuple(_no_submit(view))
    if found:
        return Problem("invalid_arguments", found)
    if len(json.dumps(view)) > VIEW_BYTES:
        return Problem("view_too_large")
    return None


def check_options(reply: Any) -> Problem | None:
    """Problem that Slack would see in the answer to a type-ahead, or None."""
    either = at_least_one_of("options", "option_groups") if reply and not _empty(reply) else anything
    check = both(
        shape(
            {},
            {
                "options": listing(OPTION, OPTIONS_OF_A_SUGGESTION, 0),
                "option_groups": listing(OPTION_GROUP, OPTIONS_OF_A_SUGGESTION, 0),
            },
        ),
        either,
    )
    found = tuple(check(reply, ""))
    return Problem("invalid_arguments", found) if found else None


def walk(blocks: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Every block, those inside containers too."""
    for block in blocks:
        yield block
        yield from walk(block.get("child_blocks", ()))


def elements(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The interactive elements of one block, in the order they are shown."""
    if isinstance(block.get("accessory"), dict):
        yield block["accessory"]
    if isinstance(block.get("element"), dict):
        yield block["element"]
    if block["type"] in ("actions", "context_actions"):
        yield from block.get("elements", ())
    if block["type"] == "card":
        yield from block.get("actions", ())
    if block["type"] == "carousel":
        for card in block.get("elements", ()):
            yield from elements(card)


def _empty(reply: Any) -> bool:
    return isinstance(reply, dict) and ("options" in reply or "option_groups" in reply)


def _twice(blocks: list[dict[str, Any]], place: str) -> Iterator[str]:
    seen: set[str] = set()
    for block in walk(blocks):
        name = block.get("block_id")
        if name in seen:
            yield complaint(f"block_id `{name}` already exists", place)
        seen |= {name} if name else set()
        yield from _actions_twice(block, place)


def _actions_twice(block: dict[str, Any], place: str) -> Iterator[str]:
    names = [one["action_id"] for one in elements(block) if "action_id" in one]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield complaint(f"action_id `{name}` already exists in this block", place)


def _no_submit(view: Mapping[str, Any]) -> Iterator[str]:
    if view["type"] == "modal" and "submit" not in view and any(b["type"] == "input" for b in view["blocks"]):
        yield complaint("missing required field: submit", "/view")


def _length(value: Any) -> int:
    """Characters under every `text` key, at any depth."""
    if isinstance(value, dict):
        own = sum(len(part) for name, part in value.items() if name in ("text", "title") and isinstance(part, str))
        return own + sum(_length(part) for part in value.values())
    if isinstance(value, list):
        return sum(map(_length, value))
    return 0


def _attachments(attachments: Any) -> Problem | None:
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        return Problem("invalid_attachments", (complaint("must provide an array of objects", "/attachments"),))
    if len(attachments) > ATTACHMENTS:
        return Problem("too_many_attachments")
    found = (check_blocks(one["blocks"]) for one in attachments if one.get("blocks"))
    wrong = next((problem for problem in found if problem), None)
    return Problem("invalid_attachments", wrong.complaints) if wrong else None


def _metadata(metadata: Any) -> Problem | None:
    check = shape({"event_type": string(255), "event_payload": anything}, {"entities": anything})
    if found := tuple(check(metadata, "/metadata")):
        return Problem("invalid_metadata_format", found)
    return Problem("metadata_too_large") if len(json.dumps(metadata)) > METADATA_BYTES else None
