"""Grafana's message in a channel: its default template lists the labels by name. Source: grafana/alerting,
receivers/slack and templates/default_template.go."""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import Alert
from bot.triggers.alert_message import alert_in, attachment_of, message_of, title_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_TITLE = re.compile(r"\[(?:FIRING|RESOLVED)[^\]]{0,40}\]\s*(\S+)")


def fits(payload: Payload) -> bool:
    return str(attachment_of(message_of(payload)).get("footer") or "").startswith("Grafana")


def read(payload: Payload) -> Alert | Nothing:
    found = _TITLE.match(title_of(message_of(payload)))
    if found is None:
        return Nothing("the message has no title of an alert")
    return alert_in("grafana_message", payload, name=found[1])


TRIGGER = Trigger("grafana_message", OriginKind.ALERT, read, fits)
