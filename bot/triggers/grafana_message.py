"""Grafana's message in a channel: its default template lists the labels by name. Source: grafana/alerting,
receivers/slack and templates/default_template.go."""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import MOST_WORDS, Alert, text
from bot.triggers.alert_message import alert_in, attachment_of, message_of, title_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_FIRING, _RESOLVED = (re.compile(rf"(?im)^[*_ ]{{0,4}}{each}[*_ ]{{0,4}}$") for each in ("firing", "resolved"))
"""Headings of the default template: those that resolved come last."""

_TITLE = re.compile(r"\[(?:FIRING|RESOLVED)[^\]]{0,40}\]\s*(\S+)")


def fits(payload: Payload) -> bool:
    return str(attachment_of(message_of(payload)).get("footer") or "").startswith("Grafana")


def read(payload: Payload) -> Alert | Nothing:
    title = title_of(message_of(payload))
    if not title:
        return Nothing("the message is empty")
    found = _TITLE.search(title)
    return alert_in("grafana_message", _that_fires(message_of(payload)), name=found[1] if found else "")


def _that_fires(message: Payload) -> Payload:
    """The message without what it says of those that resolved, where others fire."""
    first = attachment_of(message)
    firing, *resolved = _RESOLVED.split(text(first.get("text"), MOST_WORDS), 1)
    if not (resolved and _FIRING.search(firing)):
        return message
    return {**message, "attachments": [{**first, "text": firing}]}


TRIGGER = Trigger("grafana_message", OriginKind.ALERT, read, fits)
