"""Grafana's webhook: a failed probe names who probes and what was probed."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.grafana import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_a_failed_probe_names_the_prober_and_the_target():
    (one,) = TRIGGER.split(payload("grafana"))
    found = TRIGGER.read(one)

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.PROBE, "blackbox-5d8f7-x2x4q", "monitoring"),)
    assert found.peer == HostPort("pay.example.com", 443)
    assert found.title == payload("grafana")["title"]


def test_a_test_notification_starts_nothing():
    labels = {"alertname": "TestAlert", "instance": "Grafana"}

    assert TRIGGER.read({"alerts": [{"labels": labels}]}) == Nothing("it is a test notification")
    assert TRIGGER.read({}) == Nothing("the payload has no alerts")


def test_where_the_alert_has_no_labels_of_its_own_those_of_its_series_count():
    one = {
        "labels": {"alertname": "DNS errors"},
        "valueString": "[ var='B0' labels={namespace=shop, pod=web-1} value=7 ]",
    }
    two = {**one, "valueString": f"{one['valueString']}, [ var='B1' labels={{namespace=shop, pod=web-2}} value=9 ]"}

    found, unclear = (TRIGGER.read({"alerts": [each], "orgId": 1}) for each in (one, two))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-1", "shop"),)
    assert isinstance(unclear, Alert)
    assert unclear.meant == (AlertSubject(SubjectKind.WORDS, ""),)
    assert "pod=web-2" in unclear.words
