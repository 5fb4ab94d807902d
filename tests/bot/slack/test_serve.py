"""`kai serve` as a process: it starts, answers, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.cli import serve
from bot.errors import BadSettings
from bot.logs import Hiding, set_up_logging
from bot.secret import Secret
from bot.settings import SlackSettings
from bot.slack.connection import BadToken
from bot.web import health
from lab.workspace import Workspace
from tests.bot.slack.conftest import USUAL, Start
from tests.kit.cases import CASES


def test_without_a_token_it_does_not_start(monkeypatch):
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "KAI_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nowhere")

    with pytest.raises(BadSettings, match="SLACK_BOT_TOKEN is missing"):
        serve.main([], standalone_mode=False)


async def test_a_token_that_slack_does_not_know_stops_the_start(workspace: Workspace, start: Start):
    slack = SlackSettings(Secret("xoxb-another"), "socket", Secret("xapp-kai"), None, workspace.api_url)

    with pytest.raises(BadToken, match="invalid_auth"):
        async with start(slack=slack):
            pass


def serving(workspace: Workspace, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a `kai serve` of its own."""
    return {
        **os.environ,
        "SLACK_BOT_TOKEN": workspace.app.bot_token,
        "SLACK_APP_TOKEN": workspace.app.app_token,
        "SLACK_API_URL": workspace.api_url,
        "KAI_DATABASE_URL": f"sqlite:///{folder}/kai.db",
        "KAI_CASE": str(CASES / USUAL),
        "KAI_HOST": "127.0.0.1",
        "KAI_PORT": "0",
        **more,
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_it_connects_answers_and_ends_by_itself(workspace: Workspace, tmp_path: Path, log_format: str):
    environ = serving(workspace, tmp_path, KAI_LOG_FORMAT=log_format)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", env=environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        await workspace.wait_for(workspace.sockets.lines)
        await workspace.user("alice").command("/kai netdebug api-server production")
        await workspace.wait_for(lambda: workspace.messages()[0]["text"].startswith("🔴"))
    finally:
        process.terminate()
        _, said = await process.communicate()

    assert process.returncode == 0
    lines = said.decode().splitlines()
    words = lines if log_format == "text" else [json.loads(each)["message"] for each in lines]
    assert words[0].startswith("kai serves Slack by socket")
    assert words[-1].startswith("kai stops")
    assert b"xoxb" not in said


async def test_whoever_calls_is_answered_until_others_are_called_instead(workspace: Workspace, tmp_path: Path):
    """A pod that ends hears calls for a moment longer: the cluster has to take it from its Service first."""
    environ = serving(workspace, tmp_path, KAI_SLACK_MODE="http", SLACK_SIGNING_SECRET="signed")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", env=environ, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    url = re.findall(r"http://[\d.:]+", (await process.stderr.readline()).decode())[0]
    process.terminate()
    while not (await process.stderr.readline()).startswith(b"kai stops"):
        pass
    async with aiohttp.ClientSession() as session:
        answers = [await session.get(f"{url}/readyz"), await session.post(f"{url}/slack/events", data=b"{}")]
        said = [(each.status, (await each.text())[:22]) for each in answers]
    process.terminate()  # once more: no need to wait
    await process.communicate()

    assert said[0] == (503, '{"status": "stopping"}')
    assert said[1][0] == 401  # a call is looked at as ever; this one is not signed
    assert process.returncode == 0


@pytest.mark.parametrize("is_called", [True, False])
async def test_only_whom_others_call_waits_for_them(is_called: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "HANDOVER_S", 3600.0)
    here, hurry = health.Health(None, is_called=is_called), asyncio.Event()  # it asks no store
    over = asyncio.create_task(here.hand_over(hurry))
    done, _ = await asyncio.wait((over,), timeout=0.05)

    assert (here.stopping, bool(done)) == (True, not is_called)
    hurry.set()
    await over


def test_no_line_of_the_log_holds_a_secret_or_what_a_terminal_would_obey():
    ours, theirs = "s3cret-password", "xoxb-1234567890-abcdefgh"
    hook = "https://hooks.slack.com/commands/T1/2/3"
    try:
        raise OSError(f"postgresql://kai:{ours}@db refused \x1b[31m{theirs} {hook}")
    except OSError:
        record = logging.LogRecord("bot", 40, "", 0, "failed with %s\x1b]0;x\x07", (theirs,), sys.exc_info())
    line = Hiding([ours]).format(record)

    assert "Traceback" in line
    assert [each for each in (ours, theirs, "hooks.slack.com/commands", "\x1b") if each in line] == []


def test_libraries_that_would_write_requests_into_the_log_are_silenced():
    set_up_logging("DEBUG", [])
    levels = {name: logging.getLogger(name).getEffectiveLevel() for name in ("slack_bolt.x", "aiohttp.access", "bot")}

    assert levels == {"slack_bolt.x": logging.ERROR, "aiohttp.access": logging.WARNING, "bot": logging.DEBUG}
