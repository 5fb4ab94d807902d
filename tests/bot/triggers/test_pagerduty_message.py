"""PagerDuty's message: the incident's link is its id, whatever its state."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState
from bot.triggers.pagerduty_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_the_incident_is_known_by_its_link():
    found = TRIGGER.read(payload("pagerduty_message"))

    assert isinstance(found, Alert)
    assert (found.key, found.state, found.peer) == ("pagerduty PT4KHLK", AlertState.FIRING, HostPort("10.96.0.1", 443))


def test_an_edit_that_resolves_it_is_understood():
    said = payload("pagerduty_message")
    said["text"] = said["text"].replace("Triggered", "Resolved")
    section = said["blocks"][0]["text"]
    section["text"] = section["text"].replace("*Triggered*", "*Resolved*")

    found = TRIGGER.read({"subtype": "message_changed", "message": said})

    assert isinstance(found, Alert)
    assert (found.state, found.key) == (AlertState.RESOLVED, "pagerduty PT4KHLK")


def test_a_message_without_an_incident_starts_nothing():
    assert TRIGGER.read({"text": "who is on call?"}) == Nothing("the message names no incident")
