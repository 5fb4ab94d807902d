"""What alerts need is said line by line, with what to do; what Slack was not asked is not called missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.alert_settings import AlertSettings, HookTls, WatchSettings
from bot.alerts.access import ChannelAccess
from bot.commands.doctor import alerts as as_configured
from bot.commands.doctor import told
from bot.doctor import Check, CheckState
from bot.doctor.alerts import alert_checks
from bot.secret import Secret
from lab.workspace import Workspace

ROOM, WATCHED = "C0ALERTS", "C0WATCH"
READS = AlertSettings(senders={ROOM: frozenset({"A0AM", "B0AM"})})
HOOKED = AlertSettings(ROOM, Secret("a-token"), Secret("signs"))
MAY = frozenset({"chat:write", "channels:history"})
OFF = WatchSettings()


def by_name(settings: AlertSettings, access: ChannelAccess, watch: WatchSettings = OFF) -> dict[str, Check]:
    return {each.name: each for each in alert_checks(settings, watch, access)}


def test_where_nobody_wants_alerts_each_half_is_one_line_that_says_how_to_have_it():
    checks = alert_checks(AlertSettings(), OFF, ChannelAccess())

    assert [(each.name, each.state) for each in checks] == [
        ("alerts", CheckState.OFF),
        ("policy watch", CheckState.OFF),
    ]
    assert all(each.mend for each in checks)


def test_a_channel_that_is_read_and_whose_senders_are_listed_is_all_there():
    said = by_name(READS, ChannelAccess(MAY, {ROOM: ""}))

    assert said["alerts: scope channels:history"].state is CheckState.OK
    assert said["alerts: channel C0ALERTS"].found == "KAI is a member"
    assert said["alerts: senders in C0ALERTS"].found == "2 listed: A0AM, B0AM"
    assert said["alerts: webhooks"].state is CheckState.OFF


def test_a_missing_scope_is_missing_where_messages_start_something_and_an_extra_for_webhooks():
    no_scope = ChannelAccess(frozenset({"chat:write"}), {ROOM: "missing_scope"})

    reads, hooked = by_name(READS, no_scope), by_name(HOOKED, no_scope)

    assert reads["alerts: scope channels:history"].state is CheckState.MISSING
    assert hooked["alerts: scope channels:history"].state is CheckState.OFF
    assert reads["alerts: channel C0ALERTS"].state is CheckState.UNKNOWN
    assert "was not measured" in reads["alerts: channel C0ALERTS"].found


@pytest.mark.parametrize("word", ["not_in_channel", "channel_not_found", "is_archived"])
def test_a_channel_without_kai_is_missing_and_says_to_invite_it(word: str):
    found = by_name(READS, ChannelAccess(MAY, {ROOM: word}))["alerts: channel C0ALERTS"]

    assert (found.state, found.mend) == (CheckState.MISSING, "/invite @kai")


def test_a_word_of_slack_that_nobody_knows_is_no_verdict():
    found = by_name(READS, ChannelAccess(MAY, {ROOM: "team_access_not_granted"}))["alerts: channel C0ALERTS"]

    assert (found.state, found.found) == (CheckState.UNKNOWN, "Slack answers team_access_not_granted")


def test_a_channel_without_listed_senders_is_said():
    found = by_name(HOOKED, ChannelAccess(MAY, {ROOM: ""}))["alerts: senders in C0ALERTS"]

    assert (found.state, found.found) == (CheckState.OFF, "none is listed")


def test_every_way_that_a_webhook_may_show_itself_is_named_and_no_secret():
    tls = HookTls(Path("c"), Path("k"), Path("ca"))
    everything = AlertSettings(ROOM, Secret("s3cr3t-1"), Secret("s3cr3t-2"), {}, None, Secret("s3cr3t-3"), tls)
    lines = list(told(alert_checks(everything, OFF, ChannelAccess(MAY, {ROOM: ""}))))

    shown = "a token, a client certificate, Grafana's signature, PagerDuty's signature"
    assert any(line.endswith(f"answered in C0ALERTS; callers show {shown}") for line in lines)
    assert "s3cr3t" not in "".join(lines)


def test_what_slack_was_not_asked_is_unknown_and_never_missing():
    checks = alert_checks(READS, WatchSettings(WATCHED), ChannelAccess(why="Slack was not asked"))

    assert [each.name for each in checks if each.state is CheckState.MISSING] == []
    assert {each.name for each in checks if each.state is CheckState.UNKNOWN} == {
        "alerts: scope channels:history",
        "alerts: channel C0ALERTS",
        "alerts: channel C0WATCH",
    }


async def test_the_settings_of_kai_serve_are_read_and_a_wrong_one_is_the_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/nowhere")
    (wrong,) = await as_configured({"KAI_ALERT_CHANNEL": "#alerts"})
    unasked = await as_configured({"KAI_ALERT_SENDERS": "C0ALERTS=A0AM"})

    assert (wrong.state, "should be a channel's id" in wrong.found) == (CheckState.MISSING, True)
    assert "SLACK_BOT_TOKEN is not set here" in {each.name: each for each in unasked}["alerts: channel C0ALERTS"].found


@pytest.mark.parametrize(
    ("file", "more", "why"),
    [
        ("approvals: {peple: {}}", {}, "peple"),
        ("clusters: {eu: {context: eu, chanels: []}}", {}, "chanels"),
        ("slack: {mode: webhook}", {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}, "KAI_SLACK_MODE"),
        ("slack: {app_token_file: /nowhere/app}", {"SLACK_BOT_TOKEN": "xoxb-1"}, "app_token_file: /nowhere/app"),
        ("{}", {"ANTHROPIC_API_KEY": " "}, "ANTHROPIC_API_KEY is set and empty"),
    ],
)
async def test_whatever_kai_serve_would_refuse_is_missing(file: str, more: dict[str, str], why: str, tmp_path: Path):
    (tmp_path / "config.yaml").write_text(file)
    (wrong,) = await as_configured({"KAI_CONFIG": str(tmp_path / "config.yaml"), **more})

    assert (wrong.name, wrong.state) == ("settings", CheckState.MISSING)
    assert why in wrong.found


@pytest.mark.parametrize("more", [{}, {"SLACK_BOT_TOKEN": "xoxb-1"}])
async def test_at_a_terminal_nobody_misses_tokens_of_slack(more: dict[str, str], tmp_path: Path):
    (tmp_path / "config.yaml").write_text("approvals: {people: {U024BE7LH: {user: alice}}}")

    said = await as_configured({"KAI_CONFIG": str(tmp_path / "config.yaml"), **more})

    assert "settings" not in {each.name for each in said}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"KAI_ALERT_GATE": "gate.yaml"}, "gate.yaml, rule 1: unknown word 'alrt'; did you mean 'alert'?"),
        ({"KAI_ALERT_TLS_CERT": "gate.yaml", "KAI_ALERT_TLS_KEY": "x", "KAI_ALERT_CLIENT_CA": "x"}, "cannot be used"),
        ({}, None),
    ],
)
async def test_a_file_that_kai_serve_would_refuse_is_named(files, why, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / "gate.yaml").write_text("- alrt: x\n  network: no\n")
    named = {name: str(tmp_path / file) for name, file in files.items()}

    said = await as_configured({"KAI_ALERT_CHANNEL": "C0ALERTS", "KAI_ALERT_TOKEN": "a-token", **named})

    assert [why in each.found for each in said if each.state is CheckState.MISSING] == ([True] if why else [])


@pytest.mark.parametrize(("consented", "state"), [("", CheckState.MISSING), ("C0PARTNER", None)])
async def test_a_channel_that_another_organisation_shares_is_named_until_somebody_consents(
    consented, state, monkeypatch
):
    monkeypatch.setenv("HOME", "/nowhere")
    async with Workspace.start() as workspace:
        environ = {
            "SLACK_BOT_TOKEN": workspace.app.bot_token,
            "SLACK_API_URL": workspace.api_url,
            "KAI_WATCH_CHANNEL": "C0PARTNER",
            "KAI_SHARED_CHANNELS": consented,
        }
        said = {each.name: each.state for each in await as_configured(environ)}

    assert said.get("alerts: who reads C0PARTNER") is state


@pytest.mark.parametrize(
    ("channel", "scopes", "states"),
    [
        ("alerts", (), ["ok", "ok"]),
        ("alerts", ("channels:history", "groups:history", "im:history"), ["missing", "unknown"]),
        ("random", (), ["ok", "missing"]),
    ],
)
async def test_a_living_workspace_is_asked_for_scope_and_membership(
    channel: str, scopes: tuple[str, ...], states: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", "/nowhere")
    async with Workspace.start() as workspace:
        room = workspace.world.channel(channel)
        room.members -= {workspace.app.bot_user} if channel == "random" else set()
        workspace.app.scopes = workspace.app.scopes - set(scopes)
        environ = {
            "SLACK_BOT_TOKEN": workspace.app.bot_token,
            "SLACK_API_URL": workspace.api_url,
            "KAI_ALERT_SENDERS": f"{room.id}=A0AM",
        }
        said = {each.name: each.state.value for each in await as_configured(environ)}

    assert [said["alerts: scope channels:history"], said[f"alerts: channel {room.id}"]] == states
