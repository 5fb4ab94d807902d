"""Datadog's message: the tags stand in its link."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.datadog_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_the_group_in_the_link_names_the_pod():
    found = TRIGGER.read(payload("datadog_message"))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),)
    assert found.peer == HostPort("10.96.12.7", 8080)


def test_what_recovers_is_what_was_triggered():
    said = payload("datadog_message")
    fired = TRIGGER.read(said)
    said["attachments"][0]["title"] = "Recovered: TCP connect errors"
    ended = TRIGGER.read(said)

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert (ended.state, ended.key) == (AlertState.RESOLVED, fired.key)


def test_an_empty_message_starts_nothing():
    assert isinstance(TRIGGER.read({"username": "Datadog"}), Nothing)
