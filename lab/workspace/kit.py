"""Block Kit as a person handles it: ids for what has none, where an element is, what choosing something means.

`state.values` and `actions` have one form per type of element; both are made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lab.workspace.ids import Mint
from lab.workspace.limits import elements, walk

Json = dict[str, Any]

_TEXTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
_OF_A_BUTTON = ("text", "value", "url", "style", "icon")
_ONE_OPTION = ("static_select", "external_select", "radio_buttons", "overflow")
_MANY_OPTIONS = ("multi_static_select", "multi_external_select", "checkboxes")
_PICKED = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
    "rich_text_input": "rich_text_value",
    "file_input": "files",
}


def with_ids(blocks: list[Json], mint: Mint) -> list[Json]:
    """The blocks with a `block_id` each and an `action_id` for each interactive element, as Slack fills them in."""
    copy: list[Json] = json.loads(json.dumps(blocks))
    for block in walk(copy):
        block.setdefault("block_id", mint.new("blk"))
        for element in elements(block):
            if element["type"] != "image":
                element.setdefault("action_id", mint.new("act"))
    return copy


def find(blocks: list[Json], action_id: str, nth: int = 0, block_id: str = "") -> tuple[Json, Json]:
    """The block and the element with that action id; raises LookupError naming those that there are."""
    there = (pair for pair in everything(blocks) if not block_id or pair[0]["block_id"] == block_id)
    found = [pair for pair in there if pair[1].get("action_id") == action_id]
    if nth < len(found):
        return found[nth]
    names = sorted({one["action_id"] for _, one in everything(blocks) if "action_id" in one})
    raise LookupError(f"no element {action_id!r} (number {nth}); there are: {', '.join(names) or 'none'}")


def everything(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    for block in walk(blocks):
        for element in elements(block):
            yield block, element


def chosen(element: Json, value: Any) -> Json:
    """State of an element, chosen or typed, in Slack's form for this type; options may be named by their value."""
    kind = element["type"]
    if kind in _TEXTS:
        return {"type": kind, "value": value if value is None else str(value)}
    if kind in _ONE_OPTION:
        return {"type": kind, "selected_option": _option(element, value)}
    if kind in _MANY_OPTIONS:
        return {"type": kind, "selected_options": [_option(element, one) for one in value or ()]}
    if kind in _PICKED:
        return {"type": kind, _PICKED[kind]: value}
    return {"type": kind, "value": value}


def initial(element: Json) -> Json:
    """The state of an element that nobody touched."""
    return chosen(element, next((value for name, value in element.items() if name.startswith("initial_")), None))


def stateful(element: Json) -> bool:
    return element["type"] not in ("button", "workflow_button", "overflow", "image", "feedback_buttons", "icon_button")


Values = Mapping[Any, Any]  # by action id, or by (block id, action id) where that is not enough


def state(blocks: list[Json], values: Values, typed: Mapping[str, Json] | None = None) -> Json:
    """`state.values`: what the elements show at first, then `typed` so far, then `values`."""
    result: Json = {}
    for block, element in everything(blocks):
        if stateful(element):
            name = element["action_id"]
            before = (typed or {}).get(block["block_id"], {}).get(name) or initial(element)
            key = (block["block_id"], name) if (block["block_id"], name) in values else name
            now = chosen(element, values[key]) if key in values else before
            result.setdefault(block["block_id"], {})[name] = now
    return result


def pressed(block: Json, element: Json, value: Any, at: str) -> Json:
    """The entry of `actions` for one press or choice."""
    body: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": at,
    }
    if element["type"] in ("button", "workflow_button", "icon_button"):
        return {**body, **{name: part for name, part in element.items() if name in _OF_A_BUTTON}}
    if element["type"] == "feedback_buttons":
        button = element["positive_button" if value != "negative" else "negative_button"]
        return {**body, "text": button["text"], "value": button["value"]}
    return {**body, **chosen(element, value)}


def missing(blocks: list[Json], values: Mapping[str, Json]) -> dict[str, str]:
    """Required inputs that are empty: Slack's own page does not send such a form."""
    lacking = {}
    for block in walk(blocks):
        if block["type"] == "input" and not block.get("optional"):
            held = values.get(block["block_id"], {}).get(block["element"]["action_id"], {})
            if not any(part for name, part in held.items() if name != "type"):
                lacking[block["block_id"]] = "Please complete this required field."
    return lacking


def _option(element: Json, value: Any) -> Json | None:
    if value is None or isinstance(value, dict):
        return value
    groups = [group["options"] for group in element.get("option_groups", ())]
    for option in [*element.get("options", ()), *(one for group in groups for one in group)]:
        if option["value"] == value:
            return dict(option)
    raise LookupError(f"{element['action_id']!r} has no option {value!r}")
