"""Grafana's message lists labels by name."""

from __future__ import annotations

import pytest

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
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


def test_of_some_that_fire_and_some_that_resolved_the_message_fires():
    said = payload("grafana_message")
    said["attachments"][0]["title"] = "[FIRING:1, RESOLVED:1] PodNetwork net (shop)"

    found = TRIGGER.read(said)

    assert isinstance(found, Alert)
    assert (found.name, found.state) == ("PodNetwork", AlertState.FIRING)


LISTED = "Value: B=1\nLabels:\n - namespace = shop\n - pod = {}\nAnnotations:\n - summary = cannot reach {}\n"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("**Firing**\n\n{web}\n\n**Resolved**\n\n{other}", AlertSubject(SubjectKind.POD, "web-1", "shop")),
        ("**Resolved**\n\n{web}", AlertSubject(SubjectKind.POD, "web-1", "shop")),
        ("**Firing**\n\n{web}\n{other}", AlertSubject(SubjectKind.WORDS, "")),
        ("**Firing**\n\n{web}\nResolved by hand yesterday:\n{other}", AlertSubject(SubjectKind.WORDS, "")),
    ],
)
def test_what_resolved_is_not_meant_where_others_fire(text: str, meant: AlertSubject):
    said = payload("grafana_message")
    listed = {"web": LISTED.format("web-1", "db.shop:5432"), "other": LISTED.format("other-1", "cache.shop:6379")}
    said["attachments"][0] |= {"title": "[FIRING:1, RESOLVED:1] PodNetwork net", "text": text.format(**listed)}

    found = TRIGGER.read(said)

    assert isinstance(found, Alert)
    assert found.meant == (meant,)
    assert found.peer == (HostPort("db.shop", 5432) if meant.name else None)


@pytest.mark.parametrize(
    ("title", "state"), [("[Alerting] DNS errors", AlertState.FIRING), ("[OK] DNS errors", AlertState.RESOLVED)]
)
def test_a_title_of_one_s_own_is_read(title: str, state: AlertState):
    said = payload("grafana_message")
    said["attachments"][0] |= {"title": title, "text": "web-1 cannot reach db.shop:5432"}

    found = TRIGGER.read(said)

    assert isinstance(found, Alert)
    assert (found.name, found.state, found.peer) == ("DNS errors", state, HostPort("db.shop", 5432))


def test_an_empty_message_starts_nothing():
    assert TRIGGER.read({"attachments": [{"footer": "Grafana v12"}]}) == Nothing("the message is empty")
