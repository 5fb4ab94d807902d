"""What kai serve is told: wrong settings stop the start in one line, secrets are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.alert_settings import AlertSettings, HookTls, WatchSettings
from bot.errors import BadSettings, UsageMistake
from bot.secret import Secret
from bot.settings import Settings, SlackSettings, check, load, secrets_of

SOCKET = {"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret", "DATABASE_URL": "sqlite:////tmp/k.db"}


def test_the_environment_is_enough():
    assert load(SOCKET) == Settings(
        SlackSettings(Secret("xoxb-1-secret"), "socket", Secret("xapp-1-secret")), Secret("sqlite:////tmp/k.db")
    )


def test_flags_win_over_the_environment_and_it_over_the_file(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text("port: 1\nhost: a\nlog_level: debug\nslack:\n  pace: 2\n  bot_token_env: OTHER\n")
    environ = {**SOCKET, "KAI_HOST": "b", "OTHER": "xoxb-2-secret"}

    read = load(environ, file, port="3")

    assert (read.port, read.host, read.log_level, read.slack.pace) == (3, "b", "DEBUG", 2.0)
    assert read.slack.bot_token == Secret("xoxb-1-secret")
    assert load({k: v for k, v in environ.items() if k != "SLACK_BOT_TOKEN"}, file).slack.bot_token.reveal() == (
        "xoxb-2-secret"
    )


def test_a_secret_may_come_from_a_file(tmp_path: Path):
    (tmp_path / "token").write_text("xoxb-3-secret\n")
    environ = {**SOCKET, "SLACK_BOT_TOKEN_FILE": str(tmp_path / "token")}
    del environ["SLACK_BOT_TOKEN"]

    assert load(environ).slack.bot_token.reveal() == "xoxb-3-secret"


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"KAI_PORT": "99999"}, "KAI_PORT should be"),
        ({"KAI_LOG_LEVEL": "loud"}, "KAI_LOG_LEVEL should be"),
        ({"KAI_CLUSTER": "nope"}, "nope"),
        ({"SLACK_BOT_TOKEN": "nonsense"}, "SLACK_BOT_TOKEN does not begin with xoxb-"),
    ],
)
def test_what_kai_serve_would_refuse_is_found_also_where_slack_is_not_set_up(environ: dict[str, str], why: str):
    with pytest.raises(UsageMistake, match=why):
        check(environ)


@pytest.mark.parametrize("environ", [{}, {"KAI_SLACK_MODE": "http"}, {"SLACK_BOT_TOKEN": "xoxb-1"}, SOCKET])
def test_that_tokens_are_not_there_yet_is_no_mistake(environ: dict[str, str]):
    check(environ)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "SLACK_BOT_TOKEN is missing"),
        ({**SOCKET, "SLACK_BOT_TOKEN": " "}, "SLACK_BOT_TOKEN is set and empty"),
        ({**SOCKET, "DATABASE_URL": ""}, "DATABASE_URL is set and empty"),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN is missing"),
        ({**SOCKET, "KAI_SLACK_MODE": "http"}, "SLACK_SIGNING_SECRET is missing"),
        ({**SOCKET, "KAI_SLACK_MODE": "sockets"}, "did you mean 'socket'?"),
        ({**SOCKET, "SLACK_APP_TOKEN": "xoxb-1-secret"}, "SLACK_APP_TOKEN does not begin with xapp-"),
        ({**SOCKET, "SLACK_API_URL": "http://slack.example/api/"}, "should be https"),
        ({**SOCKET, "KAI_PORT": "80a"}, "KAI_PORT should be a number"),
        ({**SOCKET, "KAI_SLACK_PACE": "nan"}, "KAI_SLACK_PACE should be seconds"),
        ({**SOCKET, "KAI_LOG_LEVEL": "loud"}, "KAI_LOG_LEVEL should be"),
        ({**SOCKET, "KAI_CONFIG": "/nowhere/config.yaml"}, "/nowhere/config.yaml: no such file"),
        ({"SLACK_BOT_TOKEN_FILE": "/nowhere/token"}, "SLACK_BOT_TOKEN_FILE: /nowhere/token cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_without_its_secret(environ: dict[str, str], why: str):
    with pytest.raises(BadSettings) as refused:
        load(environ)

    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value).replace("give the secret", "").replace("signing secret", "")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("slack:\n  bot_token: xoxb-9-value\n", "bot_token is a secret: name its variable"),
        ("slak: {}\n", "did you mean 'slack'?"),
        ("slack:\n  mod: http\n", "unknown word 'mod' in slack"),
        ("slack: [a]\n", "should hold keys"),
        ("- a\n", "should hold keys"),
        (": : :", "cannot be read"),
        ("slack:\n  app_token_env: NOPE\n", "app_token_env names NOPE"),
    ],
)
def test_a_wrong_file_is_refused_and_its_values_are_not_repeated(tmp_path: Path, written: str, why: str):
    file = tmp_path / "config.yaml"
    file.write_text(written)

    with pytest.raises(BadSettings) as refused:
        load({"SLACK_BOT_TOKEN": "xoxb-1-secret", "DATABASE_URL": "sqlite:////tmp/k.db"}, file)

    assert why in str(refused.value)
    assert "xoxb-9" not in str(refused.value)


def test_a_secret_is_never_printed():
    read = load(SOCKET)

    assert "xoxb" not in f"{read!r} {read} {read.slack.bot_token}"
    assert "k.db" not in repr(read)


def test_the_log_holds_no_secret(capsys):
    import logging

    from bot.logs import set_up_logging

    set_up_logging("INFO", ["xoxb-1-secret", "p4ssw0rd"])
    logging.getLogger("bot.anything").info("token xoxb-1-secret, postgres://kai:p4ssw0rd@db, xapp-9-abcdefghij")
    shown = capsys.readouterr().err

    assert "[hidden]" in shown
    assert [each for each in ("xoxb", "p4ssw0rd", "xapp-9") if each in shown] == []


TLS = {"KAI_ALERT_TLS_CERT": "/t/c.pem", "KAI_ALERT_TLS_KEY": "/t/k.pem", "KAI_ALERT_CLIENT_CA": "/t/ca.pem"}
ALERTS = {**SOCKET, "KAI_ALERT_CHANNEL": "C0ALERTS", "KAI_ALERT_TOKEN": "a-long-token"}


def test_alerts_are_off_until_a_channel_or_senders_are_named(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text("alerts:\n  senders:\n    C0OTHER: [B0X]\n")

    assert not load(SOCKET).alerts.enabled
    assert load(ALERTS).alerts == AlertSettings("C0ALERTS", Secret("a-long-token"))
    assert load(SOCKET, file).alerts.senders == {"C0OTHER": frozenset({"B0X"})}
    said = load({**SOCKET, "KAI_ALERT_SENDERS": "C0ALERTS=B0AM,A0AM C0OTHER=B0X"}).alerts.senders
    assert said == {"C0ALERTS": frozenset({"B0AM", "A0AM"}), "C0OTHER": frozenset({"B0X"})}


def test_client_certificates_are_a_way_to_call_of_their_own():
    read = load({**SOCKET, **TLS, "KAI_ALERT_CHANNEL": "C0ALERTS"}).alerts

    assert read.tls == HookTls(Path("/t/c.pem"), Path("/t/k.pem"), Path("/t/ca.pem"), 8443)
    assert (read.token, read.enabled) == (None, True)


def test_the_watch_on_policies_is_off_until_a_channel_is_named():
    assert load(SOCKET).watch == WatchSettings("", 120)
    assert load({**SOCKET, "KAI_WATCH_CHANNEL": "C0NET", "KAI_WATCH_WINDOW": "60"}).watch == WatchSettings("C0NET", 60)


def test_no_shared_channel_is_answered_in_until_it_is_named(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text("slack: {shared_channels: [C0PARTNER]}\n")

    assert load(SOCKET).slack.shared_channels == frozenset()
    assert load(SOCKET, file).slack.shared_channels == {"C0PARTNER"}
    assert load({**SOCKET, "KAI_SHARED_CHANNELS": "C0ONE,G0TWO"}).slack.shared_channels == {"C0ONE", "G0TWO"}


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({**SOCKET, "KAI_SHARED_CHANNELS": "#partner"}, "KAI_SHARED_CHANNELS should be a channel's id"),
        ({**SOCKET, "KAI_ALERT_TOKEN": "x"}, "KAI_ALERT_CHANNEL is missing"),
        ({**SOCKET, "KAI_ALERT_CHANNEL": "C0ALERTS"}, "KAI_ALERT_TOKEN is missing"),
        ({**ALERTS, "KAI_ALERT_CHANNEL": "#alerts"}, "should be a channel's id"),
        ({**ALERTS, "KAI_ALERT_TOKEN": ""}, "KAI_ALERT_TOKEN is set and empty"),
        ({**SOCKET, "KAI_ALERT_GRAFANA_SECRET": "x"}, "KAI_ALERT_CHANNEL is missing"),
        ({**ALERTS, "KAI_ALERT_TLS_CERT": "/a"}, "KAI_ALERT_TLS_KEY is missing"),
        ({**ALERTS, **TLS, "KAI_ALERT_TLS_PORT": "x"}, "KAI_ALERT_TLS_PORT should be a number"),
        ({**SOCKET, "KAI_WATCH_CHANNEL": "#net"}, "KAI_WATCH_CHANNEL should be a channel's id"),
        ({**SOCKET, "KAI_WATCH_CHANNEL": "C0NET", "KAI_WATCH_WINDOW": "5"}, "KAI_WATCH_WINDOW should be a number"),
        ({**SOCKET, "KAI_ALERT_SENDERS": "C0ALERTS"}, "KAI_ALERT_SENDERS should be"),
        ({**SOCKET, "KAI_ALERT_SENDERS": "C0ALERTS=bob"}, "KAI_ALERT_SENDERS should be"),
    ],
)
def test_a_wrong_setting_of_alerts_is_named_in_one_line(environ: dict[str, str], why: str):
    with pytest.raises(BadSettings) as refused:
        load(environ)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_secrets_of_alerts_are_kept_out_of_the_log():
    said = load({**ALERTS, "KAI_ALERT_GRAFANA_SECRET": "grafana-signs", "KAI_ALERT_PAGERDUTY_SECRET": "pd-signs"})

    assert {"a-long-token", "grafana-signs", "pd-signs"} <= set(secrets_of(said))
