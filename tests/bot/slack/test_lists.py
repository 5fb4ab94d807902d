"""Lists of investigations stay within what Slack shows: what does not fit is counted, and no list loses its blocks."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.alerts.skipped import SkippedLine
from bot.report.blocks import Said
from bot.slack.limits import problems
from bot.slack.lists import MAX_ROWS, history, status
from bot.store import Investigation, InvestigationState, OriginKind, Request, StoredVerdict
from sensors.kit import Target

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
LONG = "it names no peer, and Hubble saw none of its packets dropped in the last 5 minutes " * 4


def text_of(said: Said) -> str:
    return "\n".join(str(each["text"]["text"]) for each in said.blocks)


def skipped(why: str, pod: str) -> tuple[SkippedLine, ...]:
    return tuple(SkippedLine(f"KubePodCrashLooping{each}", why, pod, "production", NOW) for each in range(10))


def investigated(pod: str) -> Investigation:
    request = Request(Target(pod, "production", "10.96.0.1", 443), "flow.x", OriginKind.ALERT, "alert", "default")
    return Investigation("0" * 36, request, InvestigationState.CONCLUDED, NOW)


def verdict(cause: str) -> StoredVerdict:
    return StoredVerdict("0" * 36, "policy.egress_denied", "NetworkPolicy x", 0.9, cause, {})


def test_a_skipped_alert_of_a_named_cluster_is_looked_into_there():
    here, there = (SkippedLine("A", "b", "web-1", "shop", NOW, cluster) for cluster in ("", "prod-eu"))

    assert "`/kai netdebug web-1 shop`" in text_of(status((), (here,)))
    assert "`/kai netdebug web-1 shop --cluster prod-eu`" in text_of(status((), (there,)))


def test_ten_skipped_alerts_with_long_reasons_are_shown_as_far_as_there_is_room():
    said = status((), skipped(LONG, "p" * 120))

    assert problems(said) == ()
    assert "KubePodCrashLooping0" in text_of(said)
    assert text_of(said).endswith("more lines")


def test_ten_skipped_alerts_with_short_reasons_are_shown_whole():
    said = status((), skipped("it only shows that alerting works", "web-1"))

    assert [f"KubePodCrashLooping{each}" in text_of(said) for each in range(10)] == [True] * 10
    assert "more lines" not in text_of(said)


def test_the_list_of_skipped_alerts_says_that_it_has_ten_at_most():
    assert "*Alerts skipped in the last hour* (10 at most)" in text_of(status((), skipped("x", "")))


def test_a_history_of_long_causes_is_shown_as_far_as_there_is_room():
    said = history([(investigated("p" * 200), verdict(LONG))] * MAX_ROWS)

    assert problems(said) == ()
    assert text_of(said).endswith("more lines")


def test_a_history_of_short_causes_is_shown_whole():
    said = history([(investigated("web-1"), verdict("the pod has no route"))] * MAX_ROWS)

    assert text_of(said).count("the pod has no route") == MAX_ROWS
