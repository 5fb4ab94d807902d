"""Alerts in Slack: the answer stands in the alert's own thread; who is not listed starts nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import pytest

from bot.alert_settings import AlertSettings
from bot.alerts.plan import AlertLimits
from bot.alerts.skipped import latest_skipped
from bot.secret import Secret
from lab.workspace import Workspace
from tests.bot.desk.actors import Hands
from tests.bot.slack.conftest import POD, Kai, Start, is_over, text_of
from tests.bot.triggers.payloads import payload

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SENDERS = frozenset({"A0ALERTS"})


def channel_of(workspace: Workspace, name: str = "alerts") -> str:
    return workspace.world.channel(name).id


def message(pod: str = POD, status: str = "FIRING:1", name: str = "PodCannotReachPeer", **more: Any) -> dict[str, Any]:
    fields = [{"title": "namespace", "value": "production"}, {"title": "pod", "value": pod}]
    title = f"[{status}] {name} production ({pod})"
    return {
        "username": "Alertmanager",
        "channel": "alerts",
        "attachments": [{"title": title, "fields": fields}],
        **more,
    }


def notification(pod: str = POD, name: str = "PodCannotReachPeer", status: str = "firing") -> dict[str, Any]:
    labels = {"alertname": name, "namespace": "production", "pod": pod}
    one = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": f"production/{pod} cannot reach 10.96.0.1:443"},
        "startsAt": "2026-11-28T22:00:00Z",
        "fingerprint": f"{name} {pod}"[:40],
    }
    group = {"alertname": name, "namespace": "production"}
    return {"version": "4", "status": status, "alerts": [one], "groupLabels": group, "commonLabels": labels}


@pytest.fixture
async def listening(workspace: Workspace, start: Start) -> AsyncIterator[Kai]:
    """KAI hears the messages of #alerts, from Alertmanager alone."""
    settings = AlertSettings(senders={channel_of(workspace): SENDERS})
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.05)) as kai:
        yield kai


@pytest.fixture
async def hooked(workspace: Workspace, start: Start) -> AsyncIterator[Kai]:
    """KAI takes webhooks, and answers in #alerts."""
    settings = AlertSettings(channel_of(workspace), Secret(TOKEN), Secret("signing"))
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.05, anchor_s=0.6)) as kai:
        yield kai


async def post(workspace: Workspace, body: dict[str, Any]) -> str:
    """As Alertmanager's own message; its ts."""
    async with workspace.post_webhook(body) as answer:
        answer.raise_for_status()
    return [each for each in workspace.messages("alerts") if each.get("user") != workspace.app.bot_user][-1]["ts"]


async def call(kai: Kai, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{kai.served.url}/hooks/{path}", data=data, headers=headers) as answer,
    ):
        return answer.status, await answer.json() if answer.content_type == "application/json" else {}


async def figures(kai: Kai) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{kai.served.url}/metrics") as answer:
        return await answer.text()


async def counted(kai: Kai, outcome: str) -> None:
    """Until an alert was heard, and taken for this: two messages that are sent side by side come in either order."""
    async with asyncio.timeout(60):
        while f'kai_alerts_total{{outcome="{outcome}"}} 1.0' not in await figures(kai):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


def verdict_in(workspace: Workspace, ts: str) -> dict[str, Any] | None:
    return next((each for each in workspace.thread(ts) if is_over(each)), None)


async def test_a_message_of_a_listed_sender_leads_to_the_verdict_in_its_thread(listening: Kai):
    workspace = listening.workspace
    ts = await post(workspace, message())

    root = await workspace.wait_for(lambda: verdict_in(workspace, ts))
    said = await workspace.wait_for(
        lambda: [each for each in workspace.thread(ts) if "Started by the alert" in each["text"]]
    )

    assert "strict-egress" in root["text"]
    assert said[0]["text"].startswith("Started by the alert *PodCannotReachPeer*, because a connection fails.")
    assert await workspace.wait_for(lambda: workspace.message(ts).get("reactions"))
    assert [each["text"] for each in workspace.messages("alerts") if each.get("user") == workspace.app.bot_user] == []


async def test_a_spoofed_alert_of_an_unlisted_sender_starts_nothing_and_is_logged_once(
    workspace: Workspace, start: Start, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING, "bot.slack.alert_channels")
    settings = AlertSettings(senders={channel_of(workspace): frozenset({"A0OTHER"})})
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.05)) as kai:
        for _ in range(3):
            await post(workspace, message())
        await workspace.user("alice").command("/kai status")  # behind them in the same socket
        await kai.whispers("alice")

        assert await kai.served.desk.status() == ()
    assert [each.message for each in caplog.records if each.name == "bot.slack.alert_channels"] == [
        f"B0ALERTS (app A0ALERTS, 'Alertmanager') may start nothing in {channel_of(workspace)}: it is not among its "
        "senders (KAI_ALERT_SENDERS)"
    ]


async def test_a_repeat_starts_nothing_and_after_a_resolve_it_is_new(listening: Kai):
    workspace = listening.workspace
    first = await post(workspace, message())
    await workspace.wait_for(lambda: verdict_in(workspace, first))

    repeat = await post(workspace, message())
    await counted(listening, "repeat")
    await post(workspace, message(status="RESOLVED"))
    resolved = await workspace.wait_for(lambda: (r := verdict_in(workspace, first)) and "resolved" in r["text"] and r)
    again = await post(workspace, message())
    await workspace.wait_for(lambda: verdict_in(workspace, again))

    assert workspace.thread(repeat) == []
    assert "✔ The alert resolved at " in resolved["text"]
    assert "KAI has changed nothing" in resolved["text"]


async def test_what_is_not_about_the_network_is_said_and_can_be_looked_into_anyway(listening: Kai):
    workspace = listening.workspace
    ts = await post(workspace, message(name="CPUThrottlingHigh"))

    (line,) = await workspace.wait_for(lambda: workspace.thread(ts))
    assert line["text"] == "The alert *CPUThrottlingHigh* was not looked into: it is about resources."
    await workspace.user("alice").press(line, "kai_alert_look")

    assert await workspace.wait_for(lambda: verdict_in(workspace, ts))


async def test_where_it_is_not_clear_which_pod_is_meant_a_person_chooses(listening: Kai):
    workspace = listening.workspace
    pods = sorted(each["metadata"]["name"] for each in json.loads(await pods_of(listening)))[:2]
    names = " and ".join(pods)
    body = {"username": "Alertmanager", "channel": "alerts", "text": f"[FIRING:1] TargetDown {names} cannot be reached"}
    ts = await post(workspace, body)

    (line,) = await workspace.wait_for(lambda: workspace.thread(ts))
    assert "is not clear: the alert names 2 pods" in line["text"]
    options = line["blocks"][1]["elements"][0]["options"]
    await workspace.user("alice").press(line, "kai_alert_pod", options[0]["value"])

    assert await workspace.wait_for(lambda: len(workspace.thread(ts)) > 1)


async def pods_of(kai: Kai) -> str:
    """Two pods of the recording that belong to different workloads."""
    from sensors.access.casefolder import open_case
    from sensors.kit.kinds import POD as KIND
    from tests.kit.cases import CASES

    pods = await open_case(CASES / "api-server-cannot-watch").objects(KIND)
    owners: dict[str, Any] = {}
    for each in pods:
        owners.setdefault(str(each["metadata"].get("ownerReferences", each["metadata"]["name"])), dict(each))
    return json.dumps([{"metadata": each["metadata"]} for each in owners.values()])


async def test_a_webhook_is_answered_in_the_thread_of_the_channel_s_message(hooked: Kai):
    workspace, said = hooked.workspace, notification()
    title = f"[FIRING:1] PodCannotReachPeer production ({POD})"
    ts = await post(workspace, {"username": "Alertmanager", "channel": "alerts", "attachments": [{"title": title}]})

    assert await call(hooked, "alertmanager", said, BEARER) == (200, {"heard": {"new": 1}})

    assert "strict-egress" in (await workspace.wait_for(lambda: verdict_in(workspace, ts)))["text"]
    assert await call(hooked, "alertmanager", said, BEARER) == (200, {"heard": {"repeat": 1}})


async def test_without_such_a_message_the_answer_has_a_root_of_its_own_and_the_resolve_edits_it(hooked: Kai):
    assert (await call(hooked, "alertmanager", notification(), BEARER))[0] == 200

    root = await hooked.verdict("alerts")
    await call(hooked, "alertmanager", notification(status="resolved"), BEARER)
    root = await hooked.workspace.wait_for(lambda: "alert resolved" in (r := hooked.root("alerts"))["text"] and r)

    assert root["text"].startswith("🟢")
    assert "strict-egress" in root["text"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("alertmanager", {}, {}, 401),
        ("alertmanager", {}, {"Authorization": "Bearer wrong"}, 401),
        ("alertmanager", {}, {"Authorization": "Basic ???"}, 401),
        ("alertmanager", b"{", BEARER, 400),
        ("alertmanager", b"[" * 100_000, BEARER, 400),
        ("alertmanager", {"alerts": 1}, BEARER, 400),
        ("grafana", payload("alertmanager_firing"), BEARER, 400),
        ("alertmanager", b" " * (5 * 1024 * 1024), BEARER, 413),
        ("pagerduty", payload("pagerduty"), BEARER, 401),
        ("pagerduty", payload("pagerduty"), {"X-PagerDuty-Signature": "v1=00"}, 401),
    ],
)
async def test_unsigned_or_malformed_bodies_cost_one_line_and_no_trace(
    hooked: Kai, caplog: pytest.LogCaptureFixture, path: str, body: Any, headers: dict[str, str], status: int
):
    caplog.set_level(logging.INFO)
    caplog.clear()

    assert (await call(hooked, path, body, headers))[0] == status

    lines = [each for each in caplog.records if each.name.startswith(("bot", "aiohttp"))]
    assert [each.exc_info for each in lines] == [None] * len(lines)
    assert len(lines) <= 1
    assert await hooked.served.desk.status() == ()


async def test_a_skipped_alert_without_a_message_is_found_by_the_status_of_its_channel(hooked: Kai):
    alice = hooked.workspace.user("alice")
    await call(hooked, "alertmanager", notification(name="Watchdog"), BEARER)
    kept = partial(latest_skipped, hooked.served.store.seen, channel_of(hooked.workspace))
    async with asyncio.timeout(60):
        while not await kept(datetime.now(UTC)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)

    await alice.command("/kai status", channel="alerts")
    await hooked.whispers("alice")
    await alice.command("/kai status", channel="random")
    here, elsewhere = await hooked.whispers("alice", 2)

    assert "Alerts skipped in the last hour" in here
    assert f": it only shows that alerting works. Investigate anyway: `/kai netdebug {POD} production`" in here
    assert "Alerts skipped" not in elsewhere


async def test_a_storm_is_one_investigation_and_one_list(hooked: Kai):
    workspace = hooked.workspace
    said = notification()
    one = said["alerts"][0]
    said["alerts"] = [
        {**one, "fingerprint": f"f{each}", "labels": {**one["labels"], "namespace": f"team-{each}"}}
        for each in range(6)
    ]
    said["alerts"].append(one)

    assert (await call(hooked, "alertmanager", said, BEARER))[1] == {"heard": {"new": 7}}

    root = await hooked.verdict("alerts")
    lists = await workspace.wait_for(
        lambda: [each for each in workspace.thread(root["ts"]) if each["text"].startswith("7 alerts of")]
    )
    shown = text_of(lists[0])
    assert "One investigation is for all of them." in shown
    assert [f"team-{each}/" in shown for each in range(6)] == [True] * 6
    assert len(await hooked.served.store.investigations.recent()) == 1
    page = await figures(hooked)
    assert 'kai_alerts_total{outcome="new"} 7.0' in page
    assert 'kai_alerts_total{outcome="started"} 1.0' in page


def pointers(workspace: Workspace, ts: str) -> list[str]:
    return [each["text"] for each in workspace.thread(ts) if "is looked into" in each["text"]]


def cannot_reach(namespace: str) -> dict[str, Any]:
    fields = [{"title": "namespace", "value": namespace}, {"title": "pod", "value": POD}]
    title = f"[FIRING:1] PodCannotReachPeer {namespace} ({POD})"
    return {"attachments": [{"title": title, "text": f"{POD} cannot reach 10.96.0.1:443", "fields": fields}]}


async def test_the_channel_s_other_messages_about_a_storm_point_to_the_thread_with_the_answer(
    workspace: Workspace, start: Start
):
    settings = AlertSettings(senders={channel_of(workspace): SENDERS})
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.05, each=0)):
        spaces = ("production", *(f"team-{each}" for each in range(6)))
        there, *_, last = [await post(workspace, {"channel": "alerts", **cannot_reach(each)}) for each in spaces]

        told = await workspace.wait_for(lambda: pointers(workspace, last))

    assert told == [
        "The alert *PodCannotReachPeer* is looked into together with 6 others, "
        f"<{workspace.world.permalink(channel_of(workspace), there)}|in this thread>."
    ]


async def asked_before(kai: Kai, hands: Hands, asking: Awaitable[Any]) -> str:
    """The same is looked into for a person when its alert fires; what is said below the alert's message."""
    await asking
    await hands.began[POD].wait()
    fields = [{"title": "namespace", "value": "production"}, {"title": "pod", "value": POD}]
    title = f"[FIRING:1] PodCannotReachPeer production ({POD})"
    ts = await post(kai.workspace, {"channel": "alerts", "attachments": [{"title": title, "fields": fields}]})
    (told,) = await kai.workspace.wait_for(lambda: pointers(kai.workspace, ts))
    hands.go[POD].set()
    return str(told)


async def test_an_alert_about_what_a_person_asked_already_points_to_that_thread(workspace: Workspace, start: Start):
    hands, settings = Hands(), AlertSettings(senders={channel_of(workspace): SENDERS})
    async with start(look=hands.look, alerts=settings, alert_limits=AlertLimits(gather_s=0.05)) as kai:
        asking = workspace.user("alice").command(f"/kai netdebug {POD} production")
        told = await asked_before(kai, hands, asking)
        link = workspace.world.permalink(channel_of(workspace, "incidents"), kai.root()["ts"])

    assert told == f"The alert *PodCannotReachPeer* is looked into, <{link}|in this thread>."


async def test_an_alert_about_what_a_person_asked_in_private_tells_no_place(workspace: Workspace, start: Start):
    hands, settings = Hands(), AlertSettings(senders={channel_of(workspace): SENDERS})
    async with start(look=hands.look, alerts=settings, alert_limits=AlertLimits(gather_s=0.05)) as kai:
        told = await asked_before(kai, hands, workspace.user("alice").message_bot(f"netdebug {POD} production"))

    assert told == ("The alert *PodCannotReachPeer* is looked into, in a conversation that not everybody here is in.")


async def test_without_reactions_write_everything_else_is_said(workspace: Workspace, start: Start):
    workspace.app.scopes = workspace.app.scopes - {"reactions:write"}
    settings = AlertSettings(senders={channel_of(workspace): SENDERS})
    async with start(alerts=settings, alert_limits=AlertLimits(gather_s=0.05)) as kai:
        ts = await post(workspace, message())
        assert await kai.workspace.wait_for(lambda: verdict_in(workspace, ts))
    assert replace(settings, senders={}).enabled is False
