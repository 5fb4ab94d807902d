"""The demo keeps what it promises: the verdict of a recorded incident in a chat, within seconds, and nothing left."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.demo import Demo, demonstrate
from tests.demo.conftest import USUAL
from tests.demo.visitor import (
    CHANNEL,
    alert_verdict,
    kais,
    type_command,
    verdict,
    whole_thread,
)

CAUSE = "NetworkPolicy production/strict-egress blocks production/api-server → the API server"


async def test_the_typed_command_ends_in_the_verdict_of_the_living_simulation(demo: Demo) -> None:
    reply = await type_command(demo)

    root = await verdict(demo)
    assert reply.acked
    assert CAUSE in root["text"]
    assert re.search(r"Replayed: \d+ of \d+ (dropped packets|denied connections?) would", root["text"])


async def test_why_asked_in_the_thread_is_answered_there(demo: Demo) -> None:
    await type_command(demo)
    root = await verdict(demo)
    known = len(await whole_thread(demo, root["ts"]))

    await demo.workspace.user("alice").say("why?", CHANNEL, root["ts"])

    def answers() -> list[str]:
        after = demo.workspace.thread(root["ts"])[known:]
        return [each["text"] for each in after if each["user"] == demo.workspace.app.bot_user]

    assert await demo.workspace.wait_for(lambda: [each for each in answers() if each.startswith(CAUSE)])


async def test_the_alert_can_be_pointed_at_instead(demo: Demo) -> None:
    await alert_verdict(demo)
    alert = demo.workspace.messages(CHANNEL)[0]

    await demo.workspace.user("alice").shortcut(alert, "kai_investigate")

    roots = lambda: [each for each in demo.workspace.thread(alert["ts"]) if "api-server" in each["text"]]  # noqa: E731
    assert await demo.workspace.wait_for(lambda: len({each["text"][:60] for each in roots()}) > 1)


async def test_the_visitor_is_told_that_it_is_a_recording_and_what_to_type(demo: Demo) -> None:
    alert, note = demo.workspace.messages(CHANNEL)

    assert (alert["username"], alert["attachments"][0]["color"]) == ("Alertmanager", "a30200")
    shown = "\n".join(block["text"]["text"] for block in note["blocks"] if block["type"] == "section")
    assert shown.startswith("*This is a recording*: a real incident, recorded on 2026-11-23")
    assert "It is not your cluster." in shown
    assert "```/kai netdebug api-server-79fd8d4cc-jzc5m production --to 10.96.0.1:443```" in shown
    assert "not your cluster" in demo.workspace.world.channel(CHANNEL).topic


async def test_the_alert_leads_to_its_verdict_in_its_thread_without_anyone_typing(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    """How long it took here is printed, by the chat's own stamps. No time is asserted: others' work would decide it."""
    began = time.process_time()
    root = await alert_verdict(demo)

    alert = demo.workspace.messages(CHANNEL)[0]
    seconds = float(root["edited"]["ts"]) - float(alert["ts"])
    with capsys.disabled():
        spent = time.process_time() - began
        print(
            f"\nThe demo's alert has its verdict after {seconds:.1f} s; everything together took {spent:.1f} s of CPU."
        )
    assert CAUSE in root["text"]
    assert kais(demo) == []


async def test_the_address_is_that_of_the_alert(demo: Demo) -> None:
    alert = demo.workspace.messages(CHANNEL)[0]

    assert demo.url == f"{demo.workspace.url}/archives/C0ALERTS/p{alert['ts'].replace('.', '')}"


async def test_nothing_is_left_behind(temporary: Path) -> None:
    before = asyncio.all_tasks()

    async with demonstrate(USUAL) as demo:
        await type_command(demo)
        await verdict(demo)
        doors = [urlsplit(each) for each in (demo.url, demo.lab.url, demo.served.url, f"//{demo.lab.relay}")]
        assert left_in(temporary)

    assert left_in(temporary) == []
    assert asyncio.all_tasks() == before
    assert [door.port for door in doors if answers(door.port)] == []


async def test_it_can_be_ended_in_the_middle_of_an_investigation(temporary: Path) -> None:
    before = asyncio.all_tasks()

    async with demonstrate(USUAL) as demo:
        await type_command(demo)

    assert (left_in(temporary), asyncio.all_tasks()) == ([], before)


async def test_the_visitors_own_slack_cluster_and_proxy_stay_out_of_it(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "HUBBLE_SERVER": "127.0.0.1:9",
        "HUBBLE_TLS": "true",
        "SLACK_BOT_TOKEN": "xoxb-theirs",
        "KAI_CASE": "/nowhere",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)

    async with demonstrate(USUAL) as demo:
        await type_command(demo)
        root = await verdict(demo)

    assert CAUSE in root["text"]
    assert {name: os.environ.get(name) for name in theirs} == theirs


async def test_a_taken_port_is_an_error_and_leaves_nothing_either(temporary: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        async with demonstrate(USUAL, taken.getsockname()[1]):
            pass

    assert left_in(temporary) == []


def left_in(folder: Path) -> list[str]:
    return os.listdir(folder)


def answers(port: int | None) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port or 0)) == 0
