"""Alertmanager's message: values without labels are left to the cluster; fields and markers are read."""

from __future__ import annotations

import pytest

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.alertmanager_message import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_bare_values_name_no_target_by_themselves():
    found = TRIGGER.read(payload("alertmanager_message_one_pod"))

    assert isinstance(found, Alert)
    assert (found.name, found.meant) == ("KubePodCrashLooping", (AlertSubject(SubjectKind.WORDS, ""),))
    assert "web-7f9c6d-abcde" in found.words


def test_fields_name_the_pod():
    found = TRIGGER.read(payload("alertmanager_message_fields"))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-1", "shop"),)
    assert found.peer == HostPort("10.96.0.1", 443)


def test_a_marker_names_the_pod_and_its_peer():
    said = {"text": "[FIRING:1] X", "attachments": [{"footer": "kai:v1 ns=shop pod=web-1 kai_to=db.shop:5432"}]}

    found = TRIGGER.read(said)

    assert isinstance(found, Alert)
    assert (found.meant, found.peer) == ((AlertSubject(SubjectKind.POD, "web-1", "shop"),), HostPort("db.shop", 5432))


def test_the_message_or_its_edit_that_resolves_is_about_what_fired():
    fired, ended, edited = (
        TRIGGER.read(payload(each))
        for each in ("alertmanager_message_firing", "alertmanager_message_resolved", "edited_message")
    )

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert isinstance(edited, Alert)
    assert (fired.state, ended.state, edited.state) == (AlertState.FIRING, AlertState.RESOLVED, AlertState.RESOLVED)
    assert fired.key == ended.key == edited.key


@pytest.mark.parametrize(
    ("fires", "resolves", "name"),
    [
        (":fire: [FIRING:1] PodNetwork", ":white_check_mark: [RESOLVED] PodNetwork", "PodNetwork"),
        ("\U0001f525 [P1] [FIRING:2] PodNetwork shop", "\u2705 [P1] [RESOLVED] PodNetwork shop", "PodNetwork"),
        ("Packets are lost in shop", "Resolved: Packets are lost in shop", "Packets are lost in shop"),
    ],
)
def test_a_title_of_a_team_s_own_template_is_read(fires: str, resolves: str, name: str):
    fired, ended = (
        TRIGGER.read({"username": "Alertmanager", "text": f"{title}\nnamespace: shop\npod: web-1"})
        for title in (fires, resolves)
    )

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert (fired.name, fired.state, ended.state) == (name, AlertState.FIRING, AlertState.RESOLVED)
    assert fired.key == ended.key
    assert fired.meant == (AlertSubject(SubjectKind.POD, "web-1", "shop"),)


def test_an_empty_message_starts_nothing():
    assert TRIGGER.read({"username": "Alertmanager", "text": ""}) == Nothing("the message is empty")
