"""The form that was filled in: what it asks, or what is wrong with each of its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.store import OriginKind
from bot.triggers import slash
from bot.triggers.commands import Investigate, Misread
from bot.triggers.trigger import Nothing, Payload, Trigger

NAMESPACE, POD, TO, SINCE = "kai_namespace", "kai_pod", "kai_to", "kai_since"
"""The fields, by block and action."""


def read(view: Payload) -> Investigate | Nothing:
    """Reads the filled form, or what is wrong with it by block."""
    said = {name: value_of(view, name) for name in (NAMESPACE, POD, TO, SINCE)}
    wrong: dict[str, str] = {}

    def checked(name: str, read_one: Callable[[str], Any]) -> Any:
        try:
            return read_one(said[name]) if said[name] else None
        except Misread as why:
            wrong[name] = str(why)
            return None

    pod, namespace = checked(POD, slash.pod_word), checked(NAMESPACE, lambda text: slash.name(text, "namespace"))
    peer, since = checked(TO, slash.peer_address), checked(SINCE, slash.since)
    for name, value in ((POD, pod), (NAMESPACE, namespace)):
        if value is None and name not in wrong:
            wrong[name] = "This is needed."
    if wrong:
        return Nothing("the form is not complete", wrong)
    if peer is None:
        return Investigate(pod, namespace, since=since)
    return Investigate(pod, namespace, peer.host, peer.port, since, peer.protocol)


def value_of(view: Payload, name: str) -> str:
    """Value of a field of a view; empty for nothing."""
    held: Any = view
    for step in ("state", "values", name, name):
        held = held.get(step) if isinstance(held, Mapping) else None
    if not isinstance(held, Mapping):
        return ""
    option = held.get("selected_option")
    chosen = option.get("value") if isinstance(option, Mapping) else None
    return str(chosen or held.get("value") or "").strip()


TRIGGER = Trigger("form", OriginKind.FORM, read)
