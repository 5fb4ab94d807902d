"""Alertmanager's webhook, captured from 0.25: one alert of a batch after the other."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.alertmanager import TRIGGER, title_for
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def alerts(name: str) -> list[Alert | Nothing]:
    return [TRIGGER.read(each) for each in TRIGGER.split(payload(name))]  # type: ignore[misc]


def test_each_alert_of_a_batch_is_read_with_its_own_pod_and_fingerprint():
    first, second = alerts("alertmanager_firing")

    assert isinstance(first, Alert)
    assert isinstance(second, Alert)
    assert first.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),)
    assert second.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-fghij", "shop"),)
    assert (first.peer, first.state) == (HostPort("10.96.0.1", 443), AlertState.FIRING)
    assert first.key != second.key


def test_the_title_is_that_of_the_message_that_alertmanager_posts():
    for name in ("firing", "resolved"):
        posted = payload(f"alertmanager_message_{name}")["attachments"][0]["title"]
        assert title_for(payload(f"alertmanager_{name}")) == posted


def test_what_resolves_is_what_fired():
    fired, ended = alerts("alertmanager_firing")[0], alerts("alertmanager_resolved")[0]

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert ended.state is AlertState.RESOLVED
    assert (ended.key, ended.since) == (fired.key, fired.since)


def test_a_repeat_starts_nothing():
    said = {**payload("alertmanager_firing"), "notification_reason": "repeat interval elapsed"}

    assert TRIGGER.read(said) == Nothing("the repeat interval elapsed: nothing is new")


def test_what_has_no_labels_or_no_alerts_says_so():
    assert TRIGGER.read({"alerts": []}) == Nothing("the payload has no alerts")
    assert TRIGGER.read({"alerts": [{"labels": {}}]}) == Nothing("the alert has no labels")
    assert TRIGGER.split({"alerts": [1, "x"]}) == ()
