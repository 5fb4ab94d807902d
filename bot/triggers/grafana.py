"""Grafana's webhook contact point: Alertmanager's form with an organisation, a title and a state of its own.

Source: grafana.com/docs, configure notifications, webhook; grafana/alerting receivers/webhook.
"""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import Alert, mappings, text
from bot.triggers.alert_labels import KNOWN
from bot.triggers.alertmanager import MOST_ALERTS, left_out, read_one
from bot.triggers.trigger import Nothing, Payload, Trigger

_SERIES = re.compile(r"labels=\{([^{}]{1,1000})\}")


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
    values = text(one.get("valueString"))
    return read_one(payload, "grafana", values, labels_in(values))


def labels_in(values: str) -> dict[str, str]:
    """Known labels of an alert's series (`valueString`) with one value each: a classic condition has no others."""
    found: dict[str, set[str]] = {}
    for pair in ",".join(_SERIES.findall(values)).split(","):
        label, equals, value = pair.strip().partition("=")
        if equals and value and label in KNOWN:
            found.setdefault(label, set()).add(value)
    return {label: next(iter(said)) for label, said in found.items() if len(said) == 1}


TRIGGER = Trigger("grafana", OriginKind.ALERT, read, fits, split, left_out)
