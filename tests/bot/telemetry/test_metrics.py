"""The figures say what happened, in words of closed lists, and nothing that a cluster, Slack or a person made up."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bot.desk.ports import CannotLook, LookFor, LookResult
from bot.store import Investigation, InvestigationState
from bot.telemetry.metrics import ClaudeAnswer, Metrics
from flows.causes import CAUSES
from flows.engine import Concluded, Saw, ignore
from flows.load import load_flows
from sensors.kit.model import Evidence, Sight
from tests.bot.report.examples import DENIED, HEALTHY
from tests.bot.store.words import NOW, request


def investigation() -> Investigation:
    return Investigation("20260101-abc", request(), InvestigationState.RUNNING, NOW - timedelta(seconds=4))


def shown(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Name and labels of each sample, with its value."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def found(*diagnoses: object) -> LookFor:
    rest = list(diagnoses)

    async def look(_: Investigation, __: object) -> LookResult:
        return LookResult(rest.pop(0))  # type: ignore[arg-type]

    return look


def raising(why: BaseException) -> LookFor:
    async def look(_: Investigation, __: object) -> LookResult:
        raise why

    return look


async def test_investigations_are_counted_by_cause_and_by_how_they_ended() -> None:
    metrics = Metrics(lambda: NOW)
    look = metrics.looking(found(DENIED, HEALTHY))
    for _ in range(2):
        await look(investigation(), ignore)
    failures = (CannotLook("no such pod shop/web"), ValueError("ours"), asyncio.CancelledError())
    for why in failures:
        with pytest.raises(type(why)):
            await metrics.looking(raising(why))(investigation(), ignore)

    figures = shown(metrics)
    ended = {key[1:]: value for key, value in figures.items() if key[0] == "kai_investigations_total" and value}
    assert ended == {
        (DENIED.cause_class, "fault"): 1,
        ("none.healthy", "no_fault"): 1,
        ("", "could_not_look"): 1,
        ("", "failed"): 1,
        ("", "cancelled"): 1,
    }
    assert figures["kai_stage_seconds_count", "looking"] == 5
    assert figures["kai_stage_seconds_sum", "waiting"] == 20


async def test_the_first_of_each_cause_is_an_increase() -> None:
    metrics = Metrics(lambda: NOW)
    before = {key for key in shown(metrics) if key[0] == "kai_investigations_total"}
    for it in (found(SimpleNamespace(cause_class=cause)) for cause in CAUSES):
        await metrics.looking(it)(investigation(), ignore)
    for why in (CannotLook("no such pod"), ValueError("ours"), asyncio.CancelledError()):
        with pytest.raises(type(why)):
            await metrics.looking(raising(why))(investigation(), ignore)

    assert {key for key in shown(metrics) if key[0] == "kai_investigations_total"} == before


async def test_each_look_of_a_sensor_and_what_a_verdict_stands_on_is_measured() -> None:
    metrics = Metrics()
    watch = metrics.watching(investigation())
    step = load_flows()["flow.k8s_network_debug"].steps[0]
    await watch(Saw(step, "E1", Evidence("net.mtu", Sight.BLIND, why="no probe", took_ms=1500)))
    await watch(Concluded(DENIED))

    figures = shown(metrics)
    assert figures["kai_sensor_sights_total", "net.mtu", "blind"] == 1
    assert figures["kai_sensor_seconds_sum", "net.mtu"] == 1.5
    assert figures["kai_coverage_ratio_sum",] == pytest.approx(DENIED.coverage)
    assert figures["kai_confidence_ratio_count",] == 1


def test_what_slack_makes_up_is_no_label() -> None:
    metrics = Metrics()
    metrics.slack_answered("chat.postMessage", "ok")
    metrics.slack_answered("chat.postMessage", "channel_not_found")
    metrics.slack_answered("chat.postMessage", "")
    metrics.slack_answered("chat.postMessage", "<b>it is broken, call 0800</b>")

    calls = {key[2]: value for key, value in shown(metrics).items() if key[0] == "kai_slack_calls_total"}
    assert calls == {"ok": 1, "channel_not_found": 1, "other": 2}


def test_claude_s_tokens_and_cost_add_up() -> None:
    metrics = Metrics()
    for outcome in ("answered", "failed"):
        metrics.claude_answered(ClaudeAnswer("claude-sonnet-5-5", outcome, 1000, 200, 50, 0.006))

    figures = shown(metrics)
    assert figures["kai_claude_requests_total", "claude-sonnet-5-5", "answered"] == 1
    assert figures["kai_claude_tokens_total", "output", "claude-sonnet-5-5"] == 400
    assert figures["kai_claude_dollars_total", "claude-sonnet-5-5"] == pytest.approx(0.012)


async def test_no_name_of_the_cluster_or_of_a_person_is_in_any_label() -> None:
    metrics = Metrics()
    await metrics.looking(found(DENIED))(investigation(), ignore)

    page = generate_latest(metrics.registry).decode()
    target, person = request().target, request().asked_by
    assert [each for each in (target.pod, target.namespace, person) if f'"{each}"' in page] == []


def test_alerts_are_counted_by_what_came_of_them_whenever_they_are_asked_for() -> None:
    metrics, counts = Metrics(), Counter[str]()
    metrics.alerts(counts)
    assert [key for key in shown(metrics) if key[0] == "kai_alerts_total"] == []

    counts.update({"new": 3, "started": 1, "Ä": 1})

    assert {key[1]: value for key, value in shown(metrics).items() if key[0] == "kai_alerts_total"} == {
        "new": 3.0,
        "started": 1.0,
        "other": 1.0,
    }
