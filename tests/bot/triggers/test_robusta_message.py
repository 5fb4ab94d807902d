"""Robusta's message: labels in its attachment, the subject below its heading."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.robusta_message import TRIGGER
from bot.triggers.trigger import Nothing
from tests.bot.triggers.payloads import payload


def test_labels_and_subject_are_read():
    found = TRIGGER.read(payload("robusta_message"))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),)
    assert found.name == "Pod web-7f9c6d-abcde in namespace shop is crash looping"


def test_what_resolves_is_what_fired():
    said = payload("robusta_message")
    fired = TRIGGER.read(said)
    said["text"] = "✅ Prometheus resolved"
    section = said["blocks"][0]["text"]
    section["text"] = section["text"].replace("🔥 *Prometheus Alert Firing* 🔥", "✅ *Prometheus resolved*")
    ended = TRIGGER.read(said)

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert (fired.state, ended.state, ended.key) == (AlertState.FIRING, AlertState.RESOLVED, fired.key)


def test_an_empty_message_starts_nothing():
    assert TRIGGER.read({}) == Nothing("the message is empty")
