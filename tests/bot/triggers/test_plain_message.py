"""A message of a sender without a form of its own."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.plain_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_its_words_are_left_to_the_cluster_and_its_peer_is_read():
    found = TRIGGER.read(payload("plain_message"))

    assert isinstance(found, Alert)
    assert (found.meant, found.peer) == ((AlertSubject(SubjectKind.WORDS, ""),), HostPort("10.96.12.7", 8080))


def test_labels_in_a_plain_message_name_the_target():
    found = TRIGGER.read({"text": "deployment=web namespace=shop is slow"})

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.WORKLOAD, "deploy/web", "shop"),)


def test_an_empty_message_starts_nothing():
    assert TRIGGER.read({}) == Nothing("the message is empty")
