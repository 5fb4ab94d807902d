"""PagerDuty's webhook v3: an incident by its id, its pod from what the integration wrote there."""

from __future__ import annotations

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from bot.triggers.pagerduty import TRIGGER
from bot.triggers.trigger import Nothing
from sensors.kit.addresses import HostPort
from tests.bot.triggers.payloads import payload


def event(kind: str) -> dict[str, object]:
    return {"event": {**payload("pagerduty")["event"], "event_type": kind}}


def test_the_details_name_pod_and_peer():
    found = TRIGGER.read(payload("pagerduty"))

    assert isinstance(found, Alert)
    assert found.meant == (AlertSubject(SubjectKind.POD, "web-7f9c6d-abcde", "shop"),)
    assert (found.peer, found.key) == (HostPort("10.96.0.1", 443), "pagerduty PT4KHLK")


def test_the_kind_of_event_says_how_it_stands():
    states = [TRIGGER.read(event(f"incident.{each}")) for each in ("triggered", "acknowledged", "resolved")]

    assert [each.state for each in states if isinstance(each, Alert)] == [
        AlertState.FIRING,
        AlertState.ACKNOWLEDGED,
        AlertState.RESOLVED,
    ]


def test_other_events_start_nothing():
    assert isinstance(TRIGGER.read(event("incident.annotated")), Nothing)
    assert isinstance(TRIGGER.read({"event": {"event_type": "incident.triggered"}}), Nothing)
