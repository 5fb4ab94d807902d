"""Our own check finds what Slack would refuse, before Slack does."""

from __future__ import annotations

from typing import Any

import pytest

from bot.report.blocks import Said, code, fold, mrkdwn, plain_text, section
from bot.slack.form import form
from bot.slack.limits import problems, view_problems
from bot.triggers.commands import Fill
from lab.workspace.limits import check_message, check_view

BUTTON = {"type": "button", "action_id": "a", "text": plain_text("Run"), "value": "1"}


def actions(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(buttons)}


WRONG = {
    "section too long": (section("x" * 3001),),
    "section empty": (section(""),),
    "header too long": ({"type": "header", "text": plain_text("x" * 151)},),
    "field too long": ({"type": "section", "fields": [mrkdwn("x" * 2001)]},),
    "eleven fields": ({"type": "section", "fields": [mrkdwn("x")] * 11},),
    "no fields": ({"type": "section", "fields": []},),
    "button text": (actions({**BUTTON, "text": plain_text("x" * 76)}),),
    "button value": (actions({**BUTTON, "value": "x" * 2001}),),
    "26 buttons": (actions(*({**BUTTON, "action_id": f"a{n}"} for n in range(26))),),
    "no buttons": (actions(),),
    "51 blocks": tuple(section("x") for _ in range(51)),
    "all text together": tuple(section("x" * 2700) for _ in range(5)),
    "container of eleven": ({**fold("t", []), "child_blocks": [section("x")] * 11},),
    "container title": ({**fold("t", [section("x")]), "title": plain_text("x" * 151)},),
    "container of a container": ({**fold("t", []), "child_blocks": [fold("t", [section("x")])]},),
    "unknown block": ({"type": "alert", "text": mrkdwn("x")},),
    "context of eleven": ({"type": "context", "elements": [mrkdwn("x")] * 11},),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_slack_refuses_is_found(name: str):
    assert problems(Said("text", WRONG[name]))
    assert check_message({"text": "text", "blocks": list(WRONG[name])}) is not None


@pytest.mark.parametrize("text", ["", " ", "x" * 4001])
def test_a_text_that_is_missing_or_too_long_is_found(text: str):
    assert problems(Said(text, (section("x"),)))


def test_what_slack_takes_is_not_complained_about():
    fine = (section("x" * 3000), actions(BUTTON), fold("t", [section("x"), code("y" * 6000)]))

    assert problems(Said("x" * 4000, fine)) == ()
    assert check_message({"text": "x", "blocks": list(fine)}) is None


@pytest.mark.parametrize(
    "fill", [Fill(), Fill("web", "shop", "db:1", "5m", "hint"), Fill("x" * 253, "y" * 253, "z" * 253, hint="<&>" * 900)]
)
def test_the_form_is_one_that_slack_takes(fill: Fill):
    view = form(fill, "C0INCIDENTS", "1.2")

    assert view_problems(view) == ()
    assert check_view(view) is None
