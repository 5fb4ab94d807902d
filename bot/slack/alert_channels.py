"""Messages in alert channels: who may start something by them, and which of them do.

Whatever writes in a channel could be anything: only senders whose `bot_id` or `app_id` an operator has listed for that
channel are read. In the channel of the webhooks, their messages are only where the answers stand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bot.alerts.alerts import Alerts
from bot.alerts.plan import Received
from bot.slack.alert_anchors import Anchors
from bot.triggers.alert import Alert, AlertState
from bot.triggers.alert_message import message_of, title_of
from bot.triggers.alerts import message_trigger

log = logging.getLogger(__name__)

MOST_STRANGERS = 1000
"""Senders that are remembered as refused; each is logged once."""

_READ = (None, "bot_message", "message_changed")
SlackEvent = Mapping[str, Any]


class AlertChannels:
    """`senders`: allowed ids by channel. `webhooks`: the channel of which the webhooks tell; empty for none."""

    def __init__(self, alerts: Alerts, anchors: Anchors, senders: Mapping[str, frozenset[str]], webhooks: str) -> None:
        self._alerts, self._anchors, self._senders, self._webhooks = alerts, anchors, senders, webhooks
        self._strangers: set[tuple[str, str]] = set()

    def hear(self, event: SlackEvent) -> None:
        """A message, or its edit, of something that is no person. Never raises, never waits."""
        channel, message = str(event.get("channel") or ""), message_of(event)
        sender, ts = str(message.get("bot_id") or ""), str(message.get("ts") or "")
        if not sender or not ts or event.get("subtype") not in _READ or channel not in {*self._senders, self._webhooks}:
            return
        if message.get("thread_ts") not in (None, ts):
            return
        if channel in self._senders and not {sender, message.get("app_id")} & self._senders[channel]:
            self._refuse(channel, sender, message)
            return
        self._anchors.hear(channel, title_of(message), ts)
        if channel != self._webhooks:
            self._read(channel, event, sender, ts)

    def _read(self, channel: str, event: SlackEvent, sender: str, ts: str) -> None:
        found = message_trigger(event).read(event)
        if not isinstance(found, Alert):
            return log.debug("a message of %s starts nothing: %s", sender, getattr(found, "why", found))
        if event.get("subtype") == "message_changed" and found.state is AlertState.FIRING:
            return None  # a link that unfolds, a word that is mended: what fires was heard when it was posted
        self._alerts.hear(Received(found, channel, ts, sender))
        return None

    def _refuse(self, channel: str, sender: str, message: SlackEvent) -> None:
        if (channel, sender) in self._strangers or len(self._strangers) >= MOST_STRANGERS:
            return
        self._strangers.add((channel, sender))
        name = str(message.get("username") or "")[:60]
        log.warning(
            "%s (app %s, %r) may start nothing in %s: it is not among its senders (KAI_ALERT_SENDERS)",
            sender[:40],
            str(message.get("app_id"))[:40],
            name,
            channel,
        )
