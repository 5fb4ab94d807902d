from __future__ import annotations

from typing import Any

import pytest

from lab.workspace.limits import Problem, check_blocks, check_message, check_options, check_update, check_view

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**parts: Any) -> Json:
    return {"type": "button", "action_id": "a", "text": plain("Go"), **parts}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def options(count: int) -> list[Json]:
    return [{"text": plain(str(number)), "value": str(number)} for number in range(count)]


def task(**parts: Any) -> Json:
    return {"type": "task_card", "task_id": "1", "title": "DNS", "status": "complete", **parts}


def modal(**parts: Any) -> Json:
    return {"type": "modal", "title": plain("Patch"), "blocks": [], **parts}


TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "pod"}]]}

ALLOWED = {
    "a section at its limit": section("x" * 3000),
    "a header at its limit": {"type": "header", "text": plain("x" * 150)},
    "ten fields": {"type": "section", "fields": [plain("x" * 2000)] * 5},
    "a button at its limits": actions(button(value="v" * 2000, style="primary", accessibility_label="Approve 1 of 2")),
    "twenty-five buttons": actions(*(button(action_id=str(number)) for number in range(25))),
    "a select": actions({"type": "static_select", "action_id": "s", "options": options(100)}),
    "an overflow menu": {**section("x"), "accessory": {"type": "overflow", "action_id": "o", "options": options(5)}},
    "a context": {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 10},
    "a plan": {"type": "plan", "title": "Looking", "tasks": [task()]},
    "a folded container": {
        "type": "container",
        "title": plain("Evidence"),
        "child_blocks": [section("x")],
        "is_collapsible": True,
        "default_collapsed": True,
    },
    "a table": TABLE,
    "preformatted text": {
        "type": "rich_text",
        "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "+ port: 5432"}]}],
    },
    "feedback": {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "f",
                "positive_button": {"text": plain("Right"), "value": "1"},
                "negative_button": {"text": plain("Wrong"), "value": "0"},
            }
        ],
    },
}


@pytest.mark.parametrize("block", ALLOWED.values(), ids=ALLOWED)
def test_a_block_within_its_limits_is_allowed(block: Json) -> None:
    assert check_blocks([block]) is None


REFUSED = {
    "section": (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    "empty section": (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "bare section": ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
    "field": (
        {"type": "section", "fields": [plain("x" * 2001)]},
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    "eleven fields": (
        {"type": "section", "fields": [plain("x")] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "header": (
        {"type": "header", "text": plain("x" * 151)},
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    "header in mrkdwn": (
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text]",
    ),
    "button value": (
        actions(button(value="v" * 2001)),
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    "button text": (
        actions(button(text=plain("x" * 76))),
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    "button style": (
        actions(button(style="green")),
        "must be one of primary, danger [json-pointer:/blocks/0/elements/0/style]",
    ),
    "too many buttons": (
        actions(*(button(action_id=str(number)) for number in range(26))),
        "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "confirm": (
        actions(
            button(confirm={"title": plain("t"), "text": plain("x" * 301), "confirm": plain("y"), "deny": plain("n")})
        ),
        "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
    ),
    "options": (
        actions({"type": "static_select", "action_id": "s", "options": options(101)}),
        "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    "overflow": (
        actions({"type": "overflow", "action_id": "o", "options": options(6)}),
        "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]",
    ),
    "action ids": (actions(button(), button()), "action_id `a` already exists in this block [json-pointer:/blocks]"),
    "unknown block": ({"type": "diagram"}, "unsupported type: diagram [json-pointer:/blocks/0]"),
    "unknown key": (
        {"type": "divider", "colour": "red"},
        "invalid additional property: colour [json-pointer:/blocks/0]",
    ),
    "alert in a message": ({"type": "alert", "text": plain("x")}, "unsupported type: alert [json-pointer:/blocks/0]"),
    "task status": (
        {"type": "plan", "title": "t", "tasks": [task(status="done")]},
        "must be one of pending, in_progress, complete, error [json-pointer:/blocks/0/tasks/0/status]",
    ),
    "plan in a container": (
        {"type": "container", "title": plain("t"), "child_blocks": [{"type": "plan", "title": "t"}]},
        "unsupported type: plan [json-pointer:/blocks/0/child_blocks/0]",
    ),
    "table rows": (
        {"type": "table", "rows": TABLE["rows"] * 101},
        "no more than 100 items allowed [json-pointer:/blocks/0/rows]",
    ),
    "empty cell": (
        {"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]},
        "must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
    ),
    "not an object": ("text", "must provide an object [json-pointer:/blocks/0]"),
    "no type": ({"text": plain("x")}, "missing required field: type [json-pointer:/blocks/0]"),
}


@pytest.mark.parametrize(("block", "complaint"), REFUSED.values(), ids=REFUSED)
def test_a_block_beyond_its_limits_is_refused_with_its_place(block: Any, complaint: str) -> None:
    problem = check_blocks([block])

    assert problem is not None
    assert problem.error == "invalid_blocks"
    assert complaint in problem.complaints


def test_a_long_text_is_refused_in_slacks_own_words() -> None:
    problem = check_blocks([section("x" * 3001)])

    assert problem is not None
    assert problem.answer() == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [
            "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ],
        "response_metadata": {
            "messages": [
                "[ERROR] failed to match all allowed schemas [json-pointer:/blocks/0/text]",
                "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
            ]
        },
    }


def test_fifty_blocks_are_allowed_and_one_more_is_not() -> None:
    fifty = [{"type": "divider"}] * 50

    assert check_blocks(fifty) is None
    assert check_blocks([*fifty, {"type": "divider"}]) == Problem(
        "invalid_blocks", ("no more than 50 items allowed [json-pointer:/blocks]",)
    )


def test_all_blocks_together_may_hold_about_13200_characters() -> None:
    assert check_blocks([section("x" * 2640)] * 5) is None
    assert check_blocks([section("x" * 2641)] * 5) == Problem("msg_blocks_too_long")


def test_a_message_has_one_table() -> None:
    assert check_blocks([TABLE, TABLE]) == Problem(
        "invalid_attachments", ("only_one_table_allowed [json-pointer:/blocks]",)
    )


def test_a_table_inside_a_container_counts_too() -> None:
    container = {"type": "container", "title": plain("t"), "child_blocks": [TABLE]}

    assert check_blocks([TABLE, container]) == Problem(
        "invalid_attachments", ("only_one_table_allowed [json-pointer:/blocks]",)
    )


def test_block_ids_are_unique_in_a_message() -> None:
    twice = [{"type": "divider", "block_id": "b"}] * 2

    assert check_blocks(twice) == Problem("invalid_blocks", ("block_id `b` already exists [json-pointer:/blocks]",))


MESSAGES: dict[str, tuple[Json, str | None]] = {
    "nothing": ({}, "no_text"),
    "empty text": ({"text": ""}, "no_text"),
    "blocks without text": ({"blocks": [{"type": "divider"}]}, None),
    "100 attachments": ({"attachments": [{"text": "x"}] * 100}, None),
    "101 attachments": ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
    "bad block in an attachment": ({"attachments": [{"blocks": [section("")]}]}, "invalid_attachments"),
    "metadata": ({"text": "x", "metadata": {"event_type": "kai", "event_payload": {"id": "1"}}}, None),
    "metadata without a type": ({"text": "x", "metadata": {"event_payload": {}}}, "invalid_metadata_format"),
    "large metadata": (
        {"text": "x", "metadata": {"event_type": "kai", "event_payload": {"patch": "x" * 4000}}},
        "metadata_too_large",
    ),
}


@pytest.mark.parametrize(("message", "error"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_checked_as_a_whole(message: Json, error: str | None) -> None:
    problem = check_message(message)

    assert (problem.error if problem else None) == error


def test_an_update_may_hold_4000_characters_of_text() -> None:
    assert check_update({"text": "x" * 4000}) is None
    assert check_update({"text": "x" * 4001}) == Problem("msg_too_long")
    assert check_message({"text": "x" * 4001}) is None


INPUT = {"type": "input", "label": plain("Why"), "element": {"type": "plain_text_input", "action_id": "why"}}
VIEWS: dict[str, tuple[Json, str | None]] = {
    "an empty modal": (modal(), None),
    "a form": (modal(submit=plain("Send"), blocks=[INPUT]), None),
    "a form that cannot be sent": (modal(blocks=[INPUT]), "missing required field: submit [json-pointer:/view]"),
    "a long title": (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
    "a long initial value": (
        modal(
            submit=plain("Send"),
            blocks=[{**INPUT, "element": {"type": "plain_text_input", "initial_value": "x" * 3001}}],
        ),
        "must be less than 3001 characters [json-pointer:/view/blocks/0/element/initial_value]",
    ),
    "long private metadata": (
        modal(private_metadata="x" * 3001),
        "must be less than 3001 characters [json-pointer:/view/private_metadata]",
    ),
    "101 blocks": (
        modal(blocks=[{"type": "divider"}] * 101),
        "no more than 100 items allowed [json-pointer:/view/blocks]",
    ),
    "a plan in a modal": (
        modal(blocks=[{"type": "plan", "title": "t"}]),
        "unsupported type: plan [json-pointer:/view/blocks/0]",
    ),
    "an alert in a modal": (modal(blocks=[{"type": "alert", "text": plain("x"), "level": "warning"}]), None),
    "a home tab": ({"type": "home", "blocks": [section("x")]}, None),
    "a home tab with a title": (
        {"type": "home", "title": plain("x"), "blocks": []},
        "invalid additional property: title [json-pointer:/view]",
    ),
    "a dialog": ({"type": "dialog"}, "unsupported type: dialog [json-pointer:/view]"),
}


@pytest.mark.parametrize(("view", "complaint"), VIEWS.values(), ids=VIEWS)
def test_a_view_is_checked_as_a_whole(view: Json, complaint: str | None) -> None:
    problem = check_view(view)

    if complaint is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem.error == "invalid_arguments"
        assert complaint in problem.complaints


def test_a_type_ahead_offers_at_most_100_options() -> None:
    assert check_options({"options": options(100)}) is None
    assert check_options({"options": []}) is None
    assert check_options({"options": options(101)}) == Problem(
        "invalid_arguments", ("no more than 100 items allowed [json-pointer:/options]",)
    )


@pytest.mark.parametrize(
    "nonsense", [None, "x", 3, [None], [[]], {"a": 1}, [{"type": 5}], [{"type": "section", "text": 1}]]
)
def test_nonsense_is_refused_and_never_crashes(nonsense: Any) -> None:
    for problem in (check_blocks(nonsense), check_view(nonsense)):
        assert problem is not None
        assert problem.complaints
