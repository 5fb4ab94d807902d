"""Bolt passes arguments by name, and an unknown name as None with a warning only: so the names are checked here."""

from __future__ import annotations

import inspect
from typing import Any
from unittest.mock import MagicMock

import pytest
from slack_bolt.async_app import AsyncBoltRequest
from slack_bolt.kwargs_injection.async_args import AsyncArgs

from bot.report import blocks
from bot.slack import alert_words, form, listeners, lists
from bot.slack import proposal_blocks as proposals
from bot.slack.connection import WorkspaceIdentity, bolt, web_client
from bot.slack.gate import Gate, is_ours
from bot.triggers.form import NAMESPACE
from tests.bot.slack.registered import Registered, registered

KNOWN = set(inspect.signature(AsyncArgs.__init__).parameters) | {"error"}
KINDS = {"command": 1, "shortcut": 1, "view": 4, "options": 2, "event": 3, "error": 1, "use": 1}
OURS = WorkspaceIdentity("T1", "U1", "B1", "", "A1")


@pytest.fixture
def app() -> Registered:
    return registered()


def test_every_listener_names_only_arguments_that_bolt_knows(app: Registered):
    for kind, what, listener in app.found:
        parameters = inspect.signature(listener).parameters.values()

        assert {each.name for each in parameters} - {"self"} <= KNOWN, (kind, what)
        assert all(each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for each in parameters), (kind, what)


def test_every_kind_of_listener_is_found_in_its_folder(app: Registered):
    known = [kind for kind, what, listener in app.found if listener not in (listeners.ignored, listeners.no_options)]

    assert {kind: known.count(kind) for kind in KINDS} == KINDS


def test_the_gate_comes_before_every_listener(app: Registered):
    assert app.found[0][0] == "use"


def test_what_nobody_knows_is_acked_after_all_others(app: Registered):
    last = [kind for kind, _, listener in app.found if listener in (listeners.ignored, listeners.no_options)]

    assert set(last) == {"command", "shortcut", "view", "view_closed", "action", "event", "options"}
    assert [kind for kind, *_ in app.found][-len(last) - 1 : -1] == last


def test_every_button_that_is_shown_has_its_listener(app: Registered):
    shown = {blocks.FIX, *blocks.ONCE_FIX, blocks.WHY, blocks.RERUN, blocks.CANCEL, blocks.OPINION, blocks.RIGHT}
    shown |= {alert_words.LOOK, alert_words.CHOOSE, blocks.WRONG, lists.SHOW, form.OPEN_FORM, NAMESPACE}
    shown |= {proposals.APPROVE, proposals.REJECT, proposals.EDIT, proposals.UNDO, proposals.SHOW_FIX, proposals.CHECK}
    shown |= {proposals.EXTEND, proposals.KEEP, proposals.LET_GO}

    assert shown == {what for kind, what, _ in app.found if kind == "action" and isinstance(what, str)}


@pytest.mark.parametrize(
    "body",
    [
        {"team_id": "T1", "api_app_id": "A1"},
        {"team": {"id": "T1"}, "api_app_id": "A1"},
    ],
)
def test_a_request_to_our_app_in_our_workspace_is_ours(body: dict[str, Any]):
    assert is_ours(body, OURS)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"team_id": "T1"},
        {"api_app_id": "A1"},
        {"team_id": "T2", "api_app_id": "A1"},
        {"team_id": "T1", "api_app_id": "A2"},
        {"team": None, "team_id": None, "api_app_id": "A1"},
        {"team_id": "T2", "enterprise_id": "", "api_app_id": "A1"},
    ],
)
def test_a_request_of_another_workspace_or_app_or_of_none_is_not(body: dict[str, Any]):
    assert not is_ours(body, OURS)


def test_a_request_of_our_organisation_is_ours():
    ours = WorkspaceIdentity("T1", "U1", "B1", "E1", "A1")

    assert is_ours({"team_id": "T2", "enterprise_id": "E1", "api_app_id": "A1"}, ours)
    assert not is_ours({"team_id": "T2", "enterprise_id": "E2", "api_app_id": "A1"}, ours)


@pytest.mark.parametrize(("team", "works"), [("T1", True), ("T2", False), (None, False)])
async def test_bolt_asks_the_gate_before_any_work_and_acks_either_way(team: str | None, works: bool):
    services = MagicMock()
    services.identity, services.gate = OURS, Gate(OURS, *[MagicMock() for _ in range(4)])
    services.gate.start = MagicMock()
    app = bolt(web_client("xoxb-1", "http://localhost:1/api/"), OURS, "")
    listeners.register(app, services)
    body = {"command": "/kai", "text": "status", "team_id": team, "api_app_id": "A1", "user_id": "U2"}

    answer = await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=body))

    assert (answer.status, services.gate.start.called) == (200, works)
