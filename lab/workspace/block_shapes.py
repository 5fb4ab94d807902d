"""The shapes of Slack's blocks: which fields each block and element has, and how much each field may hold.

Source: the Block Kit reference and slack-sdk's models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.workspace.shapes import (
    ShapeCheck,
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

TEXT_OF_ALL_MARKDOWN = 12_000


# ---- composition objects ---------------------------------------------------------------------------------------------


def _text(most: int, *kinds: str, least: int = 1) -> ShapeCheck:
    body = shape({"text": string(most, least)}, {"emoji": flag, "verbatim": flag})
    union = typed(dict.fromkeys(kinds or ("plain_text", "mrkdwn"), body))

    def check(value: Any, place: str) -> Iterator[str]:
        found = list(union(value, place))
        if found:  # Slack names the union before the reason
            yield complaint("failed to match all allowed schemas", place)
        yield from found

    return check


def plain(most: int) -> ShapeCheck:
    return _text(most, "plain_text")


_ID = string(255)
_URL = string(3000)
_CONFIRM = shape(
    {"title": plain(100), "text": _text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": choice("primary", "danger")},
)
OPTION = shape({"text": _text(75), "value": string(150)}, {"description": _text(75), "url": _URL})
OPTION_GROUP = shape({"label": plain(75), "options": listing(OPTION, 100)})
_ACTION = {"action_id": _ID, "confirm": _CONFIRM, "focus_on_load": flag}
_PLACEHOLDER = {"placeholder": plain(150)}
_DISPATCH = {"dispatch_action_config": anything}
_SEVERAL = {"max_selected_items": number(1, 100)}
_IDS = listing(string(255), 100, 0)


# ---- elements --------------------------------------------------------------------------------------------------------

_IMAGE = both(
    shape({"alt_text": string(2000)}, {"image_url": _URL, "slack_file": anything}),
    at_least_one_of("image_url", "slack_file"),
)
_BUTTON = shape(
    {"text": plain(75)},
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
_FEEDBACK = shape({"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
_CHOICES = {"options": listing(OPTION, 100), "option_groups": listing(OPTION_GROUP, 100)}


def _static(optional: Mapping[str, ShapeCheck]) -> ShapeCheck:
    known = shape({}, {**_ACTION, **_PLACEHOLDER, **_CHOICES, **optional})
    return both(known, at_least_one_of("options", "option_groups"))


def _input(**optional: ShapeCheck) -> ShapeCheck:
    return shape({}, {**_ACTION, **_PLACEHOLDER, **_DISPATCH, **optional})


def _select(**optional: ShapeCheck) -> ShapeCheck:
    return shape({}, {**_ACTION, **_PLACEHOLDER, **optional})


BUTTONS: dict[str, ShapeCheck] = {
    "button": _BUTTON,
    "overflow": shape({"options": listing(OPTION, 5)}, _ACTION),
    "workflow_button": shape({"text": plain(75), "workflow": anything}, {**_ACTION, "accessibility_label": string(75)}),
}
SELECTS: dict[str, ShapeCheck] = {
    "static_select": _static({"initial_option": OPTION}),
    "multi_static_select": _static({"initial_options": listing(OPTION, 100), **_SEVERAL}),
    "external_select": _select(initial_option=OPTION, min_query_length=number(0, 3000)),
    "multi_external_select": _select(
        initial_options=listing(OPTION, 100), min_query_length=number(0, 3000), **_SEVERAL
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
    "checkboxes": shape({"options": listing(OPTION, 10)}, {**_ACTION, "initial_options": listing(OPTION, 10)}),
    "radio_buttons": shape({"options": listing(OPTION, 10)}, {**_ACTION, "initial_option": OPTION}),
}
INPUTS: dict[str, ShapeCheck] = {
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


# ---- blocks ----------------------------------------------------------------------------------------------------------

BLOCKS: dict[str, ShapeCheck] = {}  # filled below; containers hold blocks


def _block(required: Mapping[str, ShapeCheck], optional: Mapping[str, ShapeCheck] | None = None) -> ShapeCheck:
    return shape(required, {"block_id": _ID, **(optional or {})})


def only(*names: str) -> ShapeCheck:
    """Blocks of these types and no others."""

    def check(value: Any, place: str) -> Iterator[str]:
        yield from typed({name: BLOCKS[name] for name in names})(value, place)

    return check


_RICH = only("rich_text")
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
        "header": _block({"text": plain(150)}, {"level": number(1, 4)}),
        "image": both(
            _block({"alt_text": string(2000)}, {"title": plain(2000), "image_url": _URL, "slack_file": anything}),
            at_least_one_of("image_url", "slack_file"),
        ),
        "context": _block(
            {
                "elements": listing(
                    typed({"image": _IMAGE, "mrkdwn": _text(3000, "mrkdwn"), "plain_text": plain(3000)}), 10
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
                                {"icon": choice("trash"), "text": plain(75)},
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
            {"label": plain(2000), "element": typed({**INPUTS, **SELECTS})},
            {"hint": plain(2000), "optional": flag, "dispatch_action": flag},
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
                {"child_blocks": listing(only(*_IN_A_CONTAINER), 10)},
                {
                    "title": plain(150),
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
        "carousel": _block({"elements": listing(only("card"), 10)}),
        "video": _block(
            {"alt_text": string(2000), "title": plain(200), "thumbnail_url": _URL, "video_url": _URL},
            {"author_name": string(50), "description": plain(200), "provider_name": string(100), "title_url": _URL},
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
