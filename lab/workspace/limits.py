"""Slack's size limits and shapes: what a message or a view may hold, and Slack's error where it may not.

Sources: the Block Kit reference, slack-sdk's models, and for the two limits that Slack does not document (about 13,200
characters of text in all blocks of a message; tables in one message) public bug reports of those who ran into them.
Where only the limit is known, the wording of the complaint is ours; the error code is always Slack's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.workspace.shapes import (
    Check,
    anything,
    at_least_one_of,
    both,
    choice,
    complaint,
    flag,
    listing,
    number,
    shape,
    string,
    typed,
)

BLOCKS_OF_A_MESSAGE = 50
BLOCKS_OF_A_VIEW = 100
TEXT_OF_A_MESSAGE = 40_000  # longer is cut, with a warning
TEXT_OF_AN_UPDATE = 4_000  # longer is refused
TEXT_OF_ALL_BLOCKS = 13_200  # undocumented; 13,172 to 13,297 were measured
TEXT_OF_ALL_MARKDOWN = 12_000
METADATA_BYTES = 4_000  # about; undocumented
VIEW_BYTES = 250_000
ATTACHMENTS = 100
OPTIONS_OF_A_SUGGESTION = 100

TABLES = ("table", "data_table")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why Slack refuses: its error code, and its complaints with the places they are about."""

    error: str
    complaints: tuple[str, ...] = ()

    def answer(self) -> dict[str, Any]:
        """The body of Slack's refusal."""
        body: dict[str, Any] = {"ok": False, "error": self.error}
        if self.complaints:
            body["errors"] = list(self.complaints)
            body["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in self.complaints]}
        return body


# ---- composition objects -------------------------------------------------------------------------------------------


def _text(most: int, *kinds: str, least: int = 1) -> Check:
    body = shape({"text": string(most, least)}, {"emoji": flag, "verbatim": flag})
    union = typed(dict.fromkeys(kinds or ("plain_text", "mrkdwn"), body))

    def check(value: Any, place: str) -> Iterator[str]:
        found = list(union(value, place))
        if found:  # Slack names the union before the reason
            yield complaint("failed to match all allowed schemas", place)
        yield from found

    return check


def _plain(most: int) -> Check:
    return _text(most, "plain_text")


_ID = string(255)
_URL = string(3000)
_CONFIRM = shape(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": choice("primary", "danger")},
)
_OPTION = shape({"text": _text(75), "value": string(150)}, {"description": _text(75), "url": _URL})
_GROUP = shape({"label": _plain(75), "options": listing(_OPTION, 100)})
_ACTION = {"action_id": _ID, "confirm": _CONFIRM, "focus_on_load": flag}
_PLACEHOLDER = {"placeholder": _plain(150)}
_DISPATCH = {"dispatch_action_config": anything}
_SEVERAL = {"max_selected_items": number(1, 100)}
_IDS = listing(string(255), 100, 0)


# ---- elements ------------------------------------------------------------------------------------------------------

_IMAGE = both(
    shape({"alt_text": string(2000)}, {"image_url": _URL, "slack_file": anything}),
    at_least_one_of("image_url", "slack_file"),
)
_BUTTON = shape(
    {"text": _plain(75)},
    {
        **_ACTION,
        "url": _URL,
        "value": string(2000, 0),
        "style": choice("primary", "danger"),
        "accessibility_label": string(75),
        "visible_to_user_ids": _IDS,
        "agent_prompt": string(4000),
        "agent_prompt_display": anything,
    },
)
_FEEDBACK = shape({"text": _plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
_CHOICES = {"options": listing(_OPTION, 100), "option_groups": listing(_GROUP, 100)}


def _static(optional: Mapping[str, Check]) -> Check:
    known = shape({}, {**_ACTION, **_PLACEHOLDER, **_CHOICES, **optional})
    return both(known, at_least_one_of("options", "option_groups"))


def _input(**optional: Check) -> Check:
    return shape({}, {**_ACTION, **_PLACEHOLDER, **_DISPATCH, **optional})


def _select(**optional: Check) -> Check:
    return shape({}, {**_ACTION, **_PLACEHOLDER, **optional})


BUTTONS: dict[str, Check] = {
    "button": _BUTTON,
    "overflow": shape({"options": listing(_OPTION, 5)}, _ACTION),
    "workflow_button": shape(
        {"text": _plain(75), "workflow": anything}, {**_ACTION, "accessibility_label": string(75)}
    ),
}
SELECTS: dict[str, Check] = {
    "static_select": _static({"initial_option": _OPTION}),
    "multi_static_select": _static({"initial_options": listing(_OPTION, 100), **_SEVERAL}),
    "external_select": _select(initial_option=_OPTION, min_query_length=number(0, 3000)),
    "multi_external_select": _select(
        initial_options=listing(_OPTION, 100), min_query_length=number(0, 3000), **_SEVERAL
    ),
    "users_select": _select(initial_user=_ID),
    "multi_users_select": _select(initial_users=_IDS, **_SEVERAL),
    "conversations_select": _select(
        initial_conversation=_ID, response_url_enabled=flag, default_to_current_conversation=flag, filter=anything
    ),
    "multi_conversations_select": _select(
        initial_conversations=_IDS, default_to_current_conversation=flag, filter=anything, **_SEVERAL
    ),
    "channels_select": _select(initial_channel=_ID, response_url_enabled=flag),
    "multi_channels_select": _select(initial_channels=_IDS, **_SEVERAL),
    "datepicker": _select(initial_date=string(10)),
    "timepicker": _select(initial_time=string(5), timezone=string(100)),
    "datetimepicker": _select(initial_date_time=number(0, 9_999_999_999)),
    "checkboxes": shape({"options": listing(_OPTION, 10)}, {**_ACTION, "initial_options": listing(_OPTION, 10)}),
    "radio_buttons": shape({"options": listing(_OPTION, 10)}, {**_ACTION, "initial_option": _OPTION}),
}
INPUTS: dict[str, Check] = {
    "plain_text_input": _input(
        initial_value=string(3000, 0), multiline=flag, min_length=number(0, 3000), max_length=number(1, 3000)
    ),
    "email_text_input": _input(initial_value=string(3000, 0)),
    "url_text_input": _input(initial_value=string(3000, 0)),
    "number_input": shape(
        {"is_decimal_allowed": flag},
        {
            **_ACTION,
            **_PLACEHOLDER,
            **_DISPATCH,
            **dict.fromkeys(("initial_value", "min_value", "max_value"), anything),
        },
    ),
    "rich_text_input": _input(initial_value=anything, min_lines=number(1, 50), max_lines=number(1, 50)),
    "file_input": shape({}, {"action_id": _ID, "filetypes": anything, "max_files": number(1, 10)}),
}


# ---- blocks --------------------------------------------------------------------------------------------------------

BLOCKS: dict[str, Check] = {}  # filled below; containers hold blocks


def _block(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    return shape(required, {"block_id": _ID, **(optional or {})})


def _only(*names: str) -> Check:
    """Blocks of these types and no others."""

    def check(value: Any, place: str) -> Iterator[str]:
        yield from typed({name: BLOCKS[name] for name in names})(value, place)

    return check


_RICH = _only("rich_text")
_INSIDE_RICH = typed(
    {
        "rich_text_section": shape({"elements": listing(anything, 1000, 0)}),
        "rich_text_preformatted": shape(
            {"elements": listing(anything, 1000, 0)}, {"border": anything, "language": anything}
        ),
        "rich_text_quote": shape({"elements": listing(anything, 1000, 0)}, {"border": anything}),
        "rich_text_list": shape(
            {"elements": listing(anything, 1000, 0), "style": choice("bullet", "ordered")},
            {"indent": number(0, 8), "offset": number(0, 100_000), "border": anything},
        ),
    }
)
_CELL = typed(
    {
        "raw_text": shape({"text": string(10_000)}),
        "raw_number": shape({"value": anything}, {"text": string(10_000)}),
        "rich_text": _block({"elements": listing(_INSIDE_RICH, 100)}),
    }
)
_STATUS = choice("pending", "in_progress", "complete", "error")
_TASK_BODY = _block(
    {"task_id": string(255), "title": string(256), "status": _STATUS},
    {"details": _RICH, "output": _RICH, "sources": listing(anything, 100, 0)},
)
_ROWS = listing(listing(_CELL, 20), 100)
_IN_A_CONTAINER = (
    *("actions", "context", "divider", "header", "image", "input"),
    *("rich_text", "section", "table", "video", "file"),
)
_BUTTON_ROW = typed({"button": _BUTTON, "icon_button": anything})

BLOCKS.update(
    {
        "section": both(
            _block(
                {},
                {
                    "text": _text(3000),
                    "fields": listing(_text(2000), 10),
                    "accessory": typed({**BUTTONS, **SELECTS, "image": _IMAGE}),
                    "expand": flag,
                },
            ),
            at_least_one_of("text", "fields"),
        ),
        "divider": _block({}),
        "header": _block({"text": _plain(150)}, {"level": number(1, 4)}),
        "image": both(
            _block({"alt_text": string(2000)}, {"title": _plain(2000), "image_url": _URL, "slack_file": anything}),
            at_least_one_of("image_url", "slack_file"),
        ),
        "context": _block(
            {
                "elements": listing(
                    typed({"image": _IMAGE, "mrkdwn": _text(3000, "mrkdwn"), "plain_text": _plain(3000)}), 10
                )
            }
        ),
        "actions": _block({"elements": listing(typed({**BUTTONS, **SELECTS}), 25)}),
        "context_actions": _block(
            {
                "elements": listing(
                    typed(
                        {
                            "feedback_buttons": shape(
                                {"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, {"action_id": _ID}
                            ),
                            "icon_button": shape(
                                {"icon": choice("trash"), "text": _plain(75)},
                                {
                                    **_ACTION,
                                    "value": string(2000),
                                    "accessibility_label": string(75),
                                    "visible_to_user_ids": _IDS,
                                },
                            ),
                        }
                    ),
                    5,
                )
            }
        ),
        "input": _block(
            {"label": _plain(2000), "element": typed({**INPUTS, **SELECTS})},
            {"hint": _plain(2000), "optional": flag, "dispatch_action": flag},
        ),
        "rich_text": _block({"elements": listing(_INSIDE_RICH, 100)}),
        "markdown": _block({"text": string(TEXT_OF_ALL_MARKDOWN)}),
        "table": _block({"rows": _ROWS}, {"column_settings": listing(anything, 20, 0)}),
        "data_table": _block(
            {"rows": _ROWS}, {"caption": anything, "page_size": anything, "column_settings": anything}
        ),
        "task_card": _TASK_BODY,
        "plan": _block({"title": string(256)}, {"tasks": listing(typed({"task_card": _TASK_BODY}), 50, 0)}),
        "container": both(
            _block(
                {"child_blocks": listing(_only(*_IN_A_CONTAINER), 10)},
                {
                    "title": _plain(150),
                    "rich_text_title": _RICH,
                    "subtitle": _text(150),
                    "width": choice("narrow", "standard", "wide", "full"),
                    "icon": anything,
                    "is_collapsible": flag,
                    "default_collapsed": flag,
                    "has_header_divider": flag,
                },
            ),
            at_least_one_of("title", "rich_text_title"),
        ),
        "alert": _block({"text": _text(3000)}, {"level": choice("default", "info", "warning", "error", "success")}),
        "card": both(
            _block(
                {},
                {
                    "hero_image": anything,
                    "icon": anything,
                    "title": _text(150),
                    "subtitle": _text(150),
                    "body": _text(200),
                    "actions": listing(_BUTTON_ROW, 5),
                },
            ),
            at_least_one_of("hero_image", "title", "actions", "body"),
        ),
        "carousel": _block({"elements": listing(_only("card"), 10)}),
        "video": _block(
            {"alt_text": string(2000), "title": _plain(200), "thumbnail_url": _URL, "video_url": _URL},
            {"author_name": string(50), "description": _plain(200), "provider_name": string(100), "title_url": _URL},
        ),
        "file": _block({"external_id": string(255), "source": choice("remote")}),
        "data_visualization": _block({}, {"title": anything, "chart": anything}),
    }
)

EVERYWHERE = ("section", "divider", "header", "image", "context", "actions", "input", "rich_text", "card")
MESSAGE_BLOCKS = (
    *EVERYWHERE,
    *("markdown", "table", "data_table", "context_actions", "plan", "task_card"),
    *("container", "carousel", "video", "file", "data_visualization"),
)
MODAL_BLOCKS = (*EVERYWHERE, "alert", "video")
HOME_BLOCKS = (*EVERYWHERE, "table", "carousel", "video")

_MESSAGE = listing(_only(*MESSAGE_BLOCKS), BLOCKS_OF_A_MESSAGE, 0)
_VIEW = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
_VIEWS: dict[str, Check] = {
    "modal": shape(
        {"title": _plain(24), "blocks": listing(_only(*MODAL_BLOCKS), BLOCKS_OF_A_VIEW, 0)},
        {
            **_VIEW,
            "submit": _plain(24),
            "close": _plain(24),
            "clear_on_close": flag,
            "notify_on_close": flag,
            "submit_disabled": flag,
        },
    ),
    "home": shape({"blocks": listing(_only(*HOME_BLOCKS), BLOCKS_OF_A_VIEW, 0)}, _VIEW),
}


# ---- the two questions ---------------------------------------------------------------------------------------------


def check_blocks(blocks: Any) -> Problem | None:
    """What is wrong with the blocks of one message, or None."""
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
    """What Slack would refuse about a new message (`text`, `blocks`, `attachments`, `metadata`), or None."""
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
    """What Slack would refuse about a modal or a home tab, or None."""
    found = tuple(typed(_VIEWS)(view, "/view"))
    if not found:
        found = tuple(_twice(view["blocks"], "/view/blocks")) + tuple(_no_submit(view))
    if found:
        return Problem("invalid_arguments", found)
    if len(json.dumps(view)) > VIEW_BYTES:
        return Problem("view_too_large")
    return None


def check_options(reply: Any) -> Problem | None:
    """What Slack would refuse about the answer to a type-ahead, or None."""
    either = at_least_one_of("options", "option_groups") if reply and not _empty(reply) else anything
    check = both(
        shape(
            {},
            {
                "options": listing(_OPTION, OPTIONS_OF_A_SUGGESTION, 0),
                "option_groups": listing(_GROUP, OPTIONS_OF_A_SUGGESTION, 0),
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
