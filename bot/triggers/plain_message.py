"""A message of any other sender: labels where it names them, else the pods of the cluster that it names."""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.alert import Alert
from bot.triggers.alert_message import alert_in, message_of, title_of
from bot.triggers.trigger import Nothing, Payload, Trigger


def read(payload: Payload) -> Alert | Nothing:
    if not title_of(message_of(payload)):
        return Nothing("the message is empty")
    return alert_in("plain_message", payload)


TRIGGER = Trigger("plain_message", OriginKind.ALERT, read)
