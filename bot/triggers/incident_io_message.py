"""incident.io's message in a channel: `New alert from …` over blocks."""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.alert import Alert
from bot.triggers.alert_message import alert_in, author_of, message_of, title_of
from bot.triggers.message import text_of
from bot.triggers.trigger import Nothing, Payload, Trigger


def fits(payload: Payload) -> bool:
    message = message_of(payload)
    return author_of(message).startswith("incident") or text_of(message).lower().startswith("new alert from ")


def read(payload: Payload) -> Alert | Nothing:
    if not title_of(message_of(payload)):
        return Nothing("the message is empty")
    return alert_in("incident_io_message", payload)


TRIGGER = Trigger("incident_io_message", OriginKind.ALERT, read, fits)
