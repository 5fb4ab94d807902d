"""incident.io's message."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.incident_io_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_pod_and_peer_are_read_from_its_blocks():
    found = TRIGGER.read(payload("incident_io_message"))

    assert isinstance(found, Alert)
    assert (found.name, found.meant) == (
        "PodCannotReachPeer",
        (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),),
    )
    assert found.peer == HostPort("10.96.0.1", 443)


def test_an_empty_message_starts_nothing():
    assert TRIGGER.read({}) == Nothing("the message is empty")
