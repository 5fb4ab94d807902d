"""Alertmanager's message in a channel. The default template has values without their labels: only a cluster knows
which of them is a pod. A template with fields, or with a marker (`kai:v1 ns=… pod=…`), names them."""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import Alert
from bot.triggers.alert_message import alert_in, attachment_of, author_of, message_of, title_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_TITLE = re.compile(r"\[(?:FIRING|RESOLVED)(?::\d+)?\]\s*(\S+)")
"""Of the default template; emoji and other words may stand before it, and a team's own template has no such title."""


def fits(payload: Payload) -> bool:
    message = message_of(payload)
    footer = str(attachment_of(message).get("footer") or "")
    titled = _TITLE.search(title_of(message)) is not None
    return (titled and not footer.startswith("Grafana")) or author_of(message) == "alertmanager"


def read(payload: Payload) -> Alert | Nothing:
    title = title_of(message_of(payload))
    if not title:
        return Nothing("the message is empty")
    found = _TITLE.search(title)
    return alert_in("alertmanager_message", payload, name=found[1] if found else "")


TRIGGER = Trigger("alertmanager_message", OriginKind.ALERT, read, fits)
