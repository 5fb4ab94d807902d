"""PagerDuty's webhooks, version 3: an incident was triggered, acknowledged or resolved.

Source: developer.pagerduty.com, Webhooks v3 (`event.event_type`, `event.data`); its title and details carry what the
alert's own source has written there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.store import OriginKind
from bot.triggers.alert import MOST_WORDS, Alert, AlertState, text
from bot.triggers.alert_message import alert_in
from bot.triggers.trigger import Nothing, Payload, Trigger

_STATES = {
    "incident.triggered": AlertState.FIRING,
    "incident.reopened": AlertState.FIRING,
    "incident.acknowledged": AlertState.ACKNOWLEDGED,
    "incident.resolved": AlertState.RESOLVED,
}
MAX_DEPTH = 6


def fits(payload: Payload) -> bool:
    event = payload.get("event")
    return isinstance(event, Mapping) and "event_type" in event


def read(payload: Payload) -> Alert | Nothing:
    """The incident. Of all other events nothing follows."""
    event = payload.get("event")
    event = event if isinstance(event, Mapping) else {}
    kind, data = text(event.get("event_type")), event.get("data")
    if kind not in _STATES or not isinstance(data, Mapping) or not text(data.get("id")):
        return Nothing(f"{kind[:60]!r} says nothing of how an incident stands")
    title, said = text(data.get("title")), "\n".join(_details(data.get("body"), 0))[:MOST_WORDS]
    key = f"pagerduty {text(data.get('id'), 64)}"
    return alert_in("pagerduty", {"text": f"{title}\n{said}"}, title, key, state=_STATES[kind], name=title)


def _details(value: Any, depth: int) -> Iterator[str]:
    """`name: value` for what stands deepest: custom details are whatever the integration has sent."""
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        for name, each in list(value.items())[:100]:
            if isinstance(each, str):
                yield f"{name}: {each}"
            else:
                yield from _details(each, depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for each in value[:100]:
            yield from _details(each, depth + 1)


TRIGGER = Trigger("pagerduty", OriginKind.ALERT, read, fits)
