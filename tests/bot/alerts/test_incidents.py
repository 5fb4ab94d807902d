"""What fires anew, what repeats, what resolves; and memory has an end."""

from __future__ import annotations

from dataclasses import replace

from bot.alerts.incidents import Incidents, Novelty
from bot.triggers.alert import AlertState
from tests.bot.alerts.alerting import alert

FIRES = alert()
ENDS = replace(FIRES, state=AlertState.RESOLVED)


def test_the_same_firing_is_new_once_and_then_a_repeat():
    incidents = Incidents()

    assert [incidents.hear(FIRES) for _ in range(3)] == [Novelty.NEW, Novelty.REPEAT, Novelty.REPEAT]


def test_after_a_resolve_or_with_another_start_it_is_new():
    incidents = Incidents()
    incidents.hear(FIRES)

    assert incidents.hear(ENDS) is Novelty.RESOLVED
    assert incidents.hear(FIRES) is Novelty.NEW
    assert incidents.hear(replace(FIRES, since="2026-11-28T23:00:00Z")) is Novelty.NEW


def test_an_acknowledgement_changes_nothing():
    incidents = Incidents()
    incidents.hear(FIRES)

    assert incidents.hear(replace(FIRES, state=AlertState.ACKNOWLEDGED)) is Novelty.ACKNOWLEDGED
    assert incidents.hear(FIRES) is Novelty.REPEAT


def test_what_it_led_to_is_known_when_it_resolves():
    incidents = Incidents()
    incidents.hear(FIRES)
    incidents.started(FIRES, "abc")

    incidents.hear(ENDS)

    assert incidents.investigation_of(ENDS) == "abc"
    assert incidents.investigation_of(alert(pod="other")) == ""


def test_the_longest_unheard_of_is_forgotten_first():
    incidents = Incidents(most=2)
    for name in ("a", "b", "a", "c"):
        incidents.hear(alert(pod=name))

    assert len(incidents) == 2
    assert incidents.hear(alert(pod="a")) is Novelty.REPEAT
    assert incidents.hear(alert(pod="b")) is Novelty.NEW


def test_what_could_not_be_taken_on_is_new_again():
    incidents = Incidents()
    incidents.hear(FIRES)
    incidents.forget(FIRES)

    assert incidents.hear(FIRES) is Novelty.NEW
