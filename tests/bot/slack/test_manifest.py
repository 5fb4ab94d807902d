"""The manifest asks for what the code uses, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import yaml

from bot.slack.commands.kai import COMMAND
from bot.slack.shortcuts.investigate import SHORTCUT
from tests.bot.slack.registered import registered

ROOT = Path(__file__).parents[3]
MANIFEST = yaml.safe_load((ROOT / "docs/slack-manifest.yaml").read_text("utf-8"))

NEEDED = {
    "app_mentions:read": "app_mention",
    "im:history": "message.im",
    "commands": None,
    "chat:write": None,
    "files:write": None,
    "users:read": None,
    "channels:read": None,
    "groups:read": None,
}


def test_the_scopes_are_the_least_that_the_code_can_work_with():
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == set(NEEDED)


def test_command_and_shortcut_are_those_that_are_listened_to():
    (command,) = MANIFEST["features"]["slash_commands"]
    (shortcut,) = MANIFEST["features"]["shortcuts"]

    assert (command["command"], shortcut["callback_id"]) == (COMMAND, SHORTCUT)
    assert command["should_escape"] is True


def test_every_event_has_a_listener_and_its_scope():
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    listened = registered().of("event")

    assert [each for each in events if each.partition(".")[0] not in listened] == []
    assert {each for each in NEEDED.values() if each} <= set(events)


def test_every_scope_is_explained_on_the_page():
    page = (ROOT / "docs/slack.md").read_text("utf-8")

    assert [each for each in NEEDED if f"`{each}`" not in page] == []
