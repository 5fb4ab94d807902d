"""Alertmanager's webhook, version 4: one alert of a notification. Source: prometheus/alertmanager, notify/webhook and
template; captured from 0.25."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.store import OriginKind
from bot.triggers.alert import MOST_WORDS, Alert, AlertState, key_of, mappings, strings, text
from bot.triggers.alert_labels import peer_in, subjects_of
from bot.triggers.trigger import Nothing, Payload, Trigger

MOST_ALERTS = 1000
"""Alerts of one notification that are read; how many more there are is said."""

MOST_CUT = 1_000_000
"""A greater number of alerts that were cut off is no number of alerts."""

REPEATED = "repeat interval elapsed"


def fits(payload: Payload) -> bool:
    """Is it Alertmanager's? Grafana's has the same form with an organisation."""
    return isinstance(payload.get("alerts"), list) and "groupLabels" in payload and "orgId" not in payload


def split(payload: Payload) -> tuple[Payload, ...]:
    """One payload for each alert, each with the title that the channel's message about all of them has."""
    title = title_for(payload)
    return tuple({**payload, "alerts": [each], "title": title} for each in mappings(payload.get("alerts"), MOST_ALERTS))


def left_out(payload: Payload) -> int:
    """Alerts beyond those that are read, and those that the sender has cut off (`max_alerts`)."""
    there, cut = payload.get("alerts"), payload.get("truncatedAlerts")
    beyond = max(0, len(there) - MOST_ALERTS) if isinstance(there, list) else 0
    return beyond + (cut if isinstance(cut, int) and 0 < cut < MOST_CUT else 0)


def read(payload: Payload) -> Alert | Nothing:
    """The alert, or why it starts nothing."""
    return read_one(payload, "alertmanager")


def read_one(payload: Payload, source: str, more: str = "", others: Mapping[str, str] | None = None) -> Alert | Nothing:
    """For every webhook of Alertmanager's form. `more`: further words; `others`: labels that it may lack."""
    one = next(iter(mappings(payload.get("alerts"), 1)), None)
    if one is None:
        return Nothing("the payload has no alerts")
    if text(payload.get("notification_reason")).lower() == REPEATED:
        return Nothing("the repeat interval elapsed: nothing is new")
    labels, notes = strings(one.get("labels")), strings(one.get("annotations"))
    if not labels:
        return Nothing("the alert has no labels")
    labels = {**(others or {}), **labels}
    name, words = labels.get("alertname", ""), "\n".join(filter(None, [*notes.values(), more]))[:MOST_WORDS]
    return Alert(
        source=source,
        name=name,
        state=AlertState.RESOLVED if one.get("status") == "resolved" else AlertState.FIRING,
        key=text(one.get("fingerprint"), 64) or key_of(source, str(sorted(labels.items()))),
        since=text(one.get("startsAt"), 64),
        title=text(payload.get("title")),
        labels=labels,
        words=words,
        meant=subjects_of(labels, name),
        peer=peer_in({**notes, **labels}, words, name),
    )


def title_for(payload: Payload) -> str:
    """The title of the default Slack template, from the same data: status, group's values, other common values."""
    group, common = strings(payload.get("groupLabels")), strings(payload.get("commonLabels"))
    firing = sum(each.get("status") == "firing" for each in mappings(payload.get("alerts"), MOST_ALERTS))
    status = text(payload.get("status")).upper()
    counted = f":{firing}" if status == "FIRING" else ""
    rest = {label: value for label, value in common.items() if label not in group}
    extra = f" ({' '.join(_values(rest))})" if rest else ""
    return f"[{status}{counted}] {' '.join(_values(group))}{extra}"


def _values(labels: Mapping[str, Any]) -> list[str]:
    """Values in the order of the template's `SortedPairs`: the alert's name first, then by label."""
    return [labels[each] for each in sorted(labels, key=lambda label: (label != "alertname", label))]


TRIGGER = Trigger("alertmanager", OriginKind.ALERT, read, fits, split, left_out)
