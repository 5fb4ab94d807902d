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
    title = title_of(message_of(payload))
    if not title:
        return Nothing("the message is empty")
    found = _TITLE.search(title)
    return alert_in("grafana_message", payload, name=found[1] if found else "")


TRIGGER = Trigger("grafana_message", OriginKind.ALERT, read, fits)
