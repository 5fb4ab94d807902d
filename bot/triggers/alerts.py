"""Chooses the trigger that reads an alert: webhooks by their form, messages by the sender's, the rest as plain text."""

from __future__ import annotations

from bot.triggers import plain_message
from bot.triggers.catalog import triggers
from bot.triggers.trigger import Payload, Trigger

WEBHOOKS = ("alertmanager", "grafana", "datadog", "pagerduty")
MESSAGES = (
    *("grafana_message", "alertmanager_message", "datadog_message"),
    *("pagerduty_message", "robusta_message", "incident_io_message"),
)
"""In this order: Grafana's title looks like Alertmanager's."""


def webhook_of(payload: Payload) -> Trigger | None:
    """The webhook's trigger; None for a form that nobody here sends."""
    return next((triggers()[each] for each in WEBHOOKS if triggers()[each].fits(payload)), None)


def message_trigger(payload: Payload) -> Trigger:
    """The trigger for a message in an alert channel."""
    return next((triggers()[each] for each in MESSAGES if triggers()[each].fits(payload)), plain_message.TRIGGER)
