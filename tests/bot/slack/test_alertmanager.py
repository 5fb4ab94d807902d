"""A real Alertmanager fires into KAI's webhook and into the channel: KAI answers below Alertmanager's own message."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bot.alert_settings import AlertSettings
from bot.alerts import channel_state
from bot.alerts.channel_state import line_of
from bot.alerts.notices import ListedAlerts, Notice, StartedByAlert, UnclearAlert
from bot.alerts.plan import AlertLimits, Received
from bot.report.blocks import Said
from bot.secret import Secret
from bot.slack import alert_voice
from bot.slack.alert_words import words_of
from lab.workspace import Workspace
from tests.bot.alerts.test_templates import block
from tests.bot.slack.conftest import POD, Kai, Start, is_over

pytestmark = pytest.mark.alertmanager
PROGRAM = "prometheus-alertmanager"
TOKEN = "a-token-for-tests"


@asynccontextmanager
async def alertmanager(folder: Path, kai: Kai, receiver: dict[str, Any] | None = None) -> AsyncIterator[str]:
    """Its address. It notifies at once, and repeats every two seconds."""
    if shutil.which(PROGRAM) is None:
        pytest.fail(f"{PROGRAM} is not there: apt-get install {PROGRAM}")
    port = free_port()
    (folder / "am.yml").write_text(yaml.safe_dump(configuration(kai, receiver)))
    told = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config.file={folder}/am.yml",
        f"--storage.path={folder}/am",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stdout=told,
        stderr=told,
    )
    try:
        yield await ready(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


def configuration(kai: Kai, receiver: dict[str, Any] | None) -> dict[str, Any]:
    webhook = {
        "url": f"{kai.served.url}/hooks/alertmanager",
        "http_config": {"authorization": {"credentials": TOKEN}},
    }
    slack = {"api_url": kai.workspace.webhook_url, "channel": "#alerts", "send_resolved": True}
    times = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "2s"}
    route = {"receiver": "kai", "group_by": ["alertname", "namespace"], **times}
    receivers = [{"name": "kai", **(receiver or {"webhook_configs": [webhook], "slack_configs": [slack]})}]
    return {"route": route, "receivers": receivers}


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def ready(url: str) -> str:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return url
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def fire(url: str, *labels: dict[str, str], resolved: bool = False, peer: str = "") -> None:
    ends = {"endsAt": datetime.now(UTC).isoformat()} if resolved else {}
    notes = {"kai_to": peer} if peer else {"summary": "the pod cannot reach 10.96.0.1:443"}
    alerts = [{"labels": {"alertname": "PodCannotReachPeer", **each}, "annotations": notes, **ends} for each in labels]
    async with aiohttp.ClientSession() as session, session.post(f"{url}/api/v2/alerts", json=alerts) as answer:
        answer.raise_for_status()


@pytest.fixture
async def kai(workspace: Workspace, start: Start) -> AsyncIterator[Kai]:
    settings = AlertSettings(workspace.world.channel("alerts").id, Secret(TOKEN))
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.2)) as kai:
        yield kai


def posted(kai: Kai, beginning: str) -> dict[str, Any] | None:
    """Alertmanager's own message whose title begins like this."""
    titles = (
        (each, (each.get("attachments") or [{}])[0].get("title", "")) for each in kai.workspace.messages("alerts")
    )
    return next((each for each, title in titles if title.startswith(beginning)), None)


def answered(kai: Kai) -> dict[str, Any] | None:
    """The verdict below a message of Alertmanager's: it repeats them, and the newest of one title counts."""
    theirs = [each["ts"] for each in kai.workspace.messages("alerts") if each.get("user") != kai.workspace.app.bot_user]
    return next((each for ts in theirs for each in kai.workspace.thread(ts) if is_over(each)), None)


async def test_the_verdict_stands_below_alertmanager_s_message_and_the_resolve_edits_it(kai: Kai, tmp_path: Path):
    pod = {"namespace": "production", "pod": POD, "severity": "critical"}
    async with alertmanager(tmp_path, kai) as url:
        await fire(url, pod)

        await kai.workspace.wait_for(lambda: posted(kai, "[FIRING:1] PodCannotReachPeer"))
        root = await kai.workspace.wait_for(lambda: answered(kai))
        assert "strict-egress" in root["text"]
        await kai.workspace.wait_for(lambda: len(kai.workspace.messages("alerts")) > 1)  # it was repeated
        await fire(url, pod, resolved=True)
        await kai.workspace.wait_for(lambda: posted(kai, "[RESOLVED]"))
        told = await kai.workspace.wait_for(lambda: (r := answered(kai)) and "✔ The alert resolved" in r["text"] and r)

    assert "strict-egress" in told["text"]
    assert len(await kai.served.store.investigations.recent()) == 1


async def test_a_burst_of_its_alerts_is_one_investigation_and_each_of_the_others_is_said_or_listed(
    kai: Kai, worded: list[Notice], tmp_path: Path
):
    """How they fall into batches is Alertmanager's: each is counted by its name, wherever it is said."""
    pods = [{"namespace": f"team-{each % 20}", "pod": f"web-{each}"} for each in range(199)]
    pods.append({"namespace": "production", "pod": POD})
    names = {f"PodCannotReachPeer: pod {each['namespace']}/{each['pod']} → 10.96.0.1:443" for each in pods}
    async with alertmanager(tmp_path, kai) as url:
        await fire(url, *pods)
        await kai.workspace.wait_for(lambda: {*listed(kai, worded), *alone(kai, worded)} >= names)

    assert {*listed(kai, worded), *alone(kai, worded)} == names
    assert len(listed(kai, worded)) == len({*listed(kai, worded)})  # none is in two lists
    assert len(await kai.served.store.investigations.recent()) <= 1  # the one with a pod, unless it came beyond a limit


async def test_the_template_of_the_docs_is_enough_without_a_webhook(workspace: Workspace, start: Start, tmp_path: Path):
    """KAI reads Alertmanager's message alone: pod and peer are in its fields and its footer."""
    settings = AlertSettings(senders={workspace.world.channel("alerts").id: frozenset({"A0ALERTS"})})
    docs = yaml.safe_load(block("yaml", "kai:v1"))["receivers"][0]["slack_configs"][0]
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.2)) as kai:
        template = {**docs, "api_url": kai.workspace.webhook_url}
        async with alertmanager(tmp_path, kai, {"slack_configs": [template]}) as url:
            await fire(url, {"namespace": "production", "pod": POD}, peer="10.96.0.1:443")
            await kai.workspace.wait_for(lambda: posted(kai, "[FIRING:1] PodCannotReachPeer"))
            root = await kai.workspace.wait_for(lambda: answered(kai))
        ((it, _),) = await kai.served.store.investigations.recent()

    assert "strict-egress" in root["text"]
    assert (it.request.target.to_host, it.request.target.to_port) == ("10.96.0.1", 443)


@pytest.fixture
def worded(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    """Notices as KAI words them for Slack, its lists with all their lines."""
    notices: list[Notice] = []

    def recorded(notice: Notice) -> Said:
        notices.append(notice)
        return words_of(notice)

    monkeypatch.setattr(alert_voice, "words_of", recorded)
    monkeypatch.setattr(channel_state, "MAX_SHOWN_LINES", 1000)
    return notices


def standing(kai: Kai, worded: list[Notice]) -> list[Notice]:
    """Those that stand in the channel now: of a list that grew, the last."""
    rooms = kai.workspace.world.channel("alerts").messages.values()
    texts = {each["text"] for each in rooms if each.get("user") == kai.workspace.app.bot_user}
    return [each for each in worded if words_of(each).text in texts]


def alone(kai: Kai, worded: list[Notice]) -> list[str]:
    """Alerts of which something is said one by one: that an investigation was started, or that no pod is found."""
    kinds = (StartedByAlert, UnclearAlert)
    return [line_of(Received(each.alert, "")) for each in standing(kai, worded) if isinstance(each, kinds)]


def listed(kai: Kai, worded: list[Notice]) -> list[str]:
    """Alerts in KAI's lists, wherever they stand."""
    lists = {words_of(each).text: each for each in standing(kai, worded) if isinstance(each, ListedAlerts)}
    return [line for each in lists.values() for line in each.lines]
