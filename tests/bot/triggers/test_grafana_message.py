"""Grafana's message lists labels by name."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.grafana_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_labels_and_the_summary_s_peer_are_read():
    found = TRIGGER.read(payload("grafana_message"))

    assert isinstance(found, Alert)
    assert (found.name, found.meant) == ("PodNetwork", (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),))
    assert found.peer == HostPort("payments.prod.svc.cluster.local", 8080)


def test_of_several_alerts_in_one_message_no_pod_is_guessed():
    said = payload("grafana_message")
    said["attachments"][0]["text"] += "Labels:\n - namespace = shop\n - pod = other-1\n"

    found = TRIGGER.read(said)

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.WORDS, ""),)


def test_a_message_without_a_title_of_an_alert_starts_nothing():
    assert isinstance(TRIGGER.read({"text": "hello"}), Nothing)
