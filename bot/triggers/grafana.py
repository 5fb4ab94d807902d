"""Grafana's webhook contact point: Alertmanager's form with an organisation, a title and a state of its own.

Source: grafana.com/docs, configure notifications, webhook; grafana/alerting receivers/webhook.
"""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.alert import Alert, mappings, text
from bot.triggers.alertmanager import MOST_ALERTS, left_out, read_one
from bot.triggers.trigger import Nothing, Payload, Trigger


def fits(payload: Payload) -> bool:
    return isinstance(payload.get("alerts"), list) and "orgId" in payload


def split(payload: Payload) -> tuple[Payload, ...]:
    return tuple({**payload, "alerts": [each]} for each in mappings(payload.get("alerts"), MOST_ALERTS))


def read(payload: Payload) -> Alert | Nothing:
    """The alert. Grafana's own test notification starts nothing."""
    one = next(iter(mappings(payload.get("alerts"), 1)), {})
    labels = one.get("labels")
    if (
        isinstance(labels, dict)
        and text(labels.get("instance")) == "Grafana"
        and text(labels.get("alertname")) == "TestAlert"
    ):
        return Nothing("it is a test notification")
    return read_one(payload, "grafana")


TRIGGER = Trigger("grafana", OriginKind.ALERT, read, fits, split, left_out)
