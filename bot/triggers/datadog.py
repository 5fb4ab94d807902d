"""Datadog's webhook, with the payload that docs/alerts.md gives: Datadog has no form of its own, only variables."""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.alert import MOST_WORDS, Alert, AlertState, id_in, key_of, text
from bot.triggers.alert_labels import peer_in, subjects_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_STATES = {"recovered": AlertState.RESOLVED, "acknowledged": AlertState.ACKNOWLEDGED}
_FIRING = ("triggered", "re-triggered", "warn", "re-warn", "no data", "re-no data", "renotify")


def fits(payload: Payload) -> bool:
    return "alert_transition" in payload and "alert_id" in payload


def read(payload: Payload) -> Alert | Nothing:
    """The alert of one group of a monitor."""
    transition = text(payload.get("alert_transition")).strip().lower()
    if transition not in _STATES and transition not in _FIRING:
        return Nothing(f"{transition[:40]!r} is no transition of a monitor")
    labels = {**tags_in(text(payload.get("tags"), MOST_WORDS)), **tags_in(text(payload.get("alert_scope")))}
    name, words = text(payload.get("alert_title")) or text(payload.get("title")), text(payload.get("body"), MOST_WORDS)
    monitor, scope = id_in(payload.get("alert_id")), text(payload.get("alert_scope"))
    return Alert(
        source="datadog",
        name=name,
        state=_STATES.get(transition, AlertState.FIRING),
        key=key_of("datadog", monitor, scope),
        since=id_in(payload.get("alert_cycle_key")),
        title=text(payload.get("title")),
        labels=labels,
        words=f"{name}\n{words}"[:MOST_WORDS],
        meant=subjects_of(labels, name),
        peer=peer_in(labels, words, name),
    )


def tags_in(said: str) -> dict[str, str]:
    """`kube_namespace:shop, pod_name:web-1`; a tag with two values says neither."""
    found: dict[str, set[str]] = {}
    for each in said.split(","):
        name, colon, value = each.strip().partition(":")
        if colon and name and value:
            found.setdefault(name, set()).add(value)
    return {name: values.pop() for name, values in list(found.items())[:64] if len(values) == 1}


TRIGGER = Trigger("datadog", OriginKind.ALERT, read, fits)
