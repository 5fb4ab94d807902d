"""PagerDuty's message in a channel. It is edited in place as the incident is acknowledged and resolved; the link to the
incident is the same each time."""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import Alert, AlertState
from bot.triggers.alert_message import alert_in, author_of, message_of
from bot.triggers.message import text_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_INCIDENT = re.compile(r"pagerduty\.com/incidents/([A-Z0-9]{4,40})")
_STATUS = re.compile(r"(?im)^\W*(?:status|incident)?\W*(triggered|acknowledged|resolved)\b")
_STATES = {"acknowledged": AlertState.ACKNOWLEDGED, "resolved": AlertState.RESOLVED}


def fits(payload: Payload) -> bool:
    message = message_of(payload)
    return author_of(message).startswith("pagerduty") or _INCIDENT.search(str(message)[:8000]) is not None


def read(payload: Payload) -> Alert | Nothing:
    message = message_of(payload)
    incident = _INCIDENT.search(str(message)[:8000])
    if incident is None:
        return Nothing("the message names no incident")
    said = _STATUS.search(text_of(message))
    state = _STATES.get(said[1].lower(), AlertState.FIRING) if said else AlertState.FIRING
    return alert_in("pagerduty_message", payload, key=f"pagerduty {incident[1]}", state=state)


TRIGGER = Trigger("pagerduty_message", OriginKind.ALERT, read, fits)
