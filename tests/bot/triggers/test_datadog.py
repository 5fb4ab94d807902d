"""Datadog's webhook, with the template of our page."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.datadog import TRIGGER, tags_in
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def test_tags_name_the_pod_and_the_words_its_peer():
    found = TRIGGER.read(payload("datadog"))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),)
    assert (found.peer, found.state) == (HostPort("payments.prod", 8080), AlertState.FIRING)


def test_what_recovers_is_what_was_triggered():
    fired, ended = (
        TRIGGER.read({**payload("datadog"), "alert_transition": each}) for each in ("Triggered", "Recovered")
    )

    assert isinstance(fired, Alert)
    assert isinstance(ended, Alert)
    assert (ended.state, ended.key) == (AlertState.RESOLVED, fired.key)


def test_what_is_notified_anew_still_fires():
    found = TRIGGER.read({**payload("datadog"), "alert_transition": "Renotify"})

    assert isinstance(found, Alert)
    assert found.state is AlertState.FIRING


def test_an_unknown_transition_starts_nothing():
    assert TRIGGER.read({"alert_transition": "Snoozed", "alert_id": 1}) == Nothing(
        "'snoozed' is no transition of a monitor"
    )


def test_a_tag_with_two_values_says_neither():
    assert tags_in("pod_name:a,pod_name:b,kube_namespace:shop,nothing") == {"kube_namespace": "shop"}
