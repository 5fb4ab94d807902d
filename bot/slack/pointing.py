"""Finds the pod and the peer that a message names: by its labels, else by the names of living pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.slack.names import PodSuggestions
from bot.triggers import message as pointed
from bot.triggers.alert_labels import peer_in
from bot.triggers.alert_message import labels_in
from bot.triggers.commands import Fill, Investigate


async def pointed_at(said: Mapping[str, Any], names: PodSuggestions) -> Investigate | Fill:
    """The question about what the message names; a form to fill in where it names no pod."""
    asked = pointed.complete(pointed.parse(said))
    if isinstance(asked, Fill):
        found = pointed.match(said, await names.pods())
        asked = pointed.complete(found if found.pod else asked)
    return _with_peer(asked, said)


def _with_peer(asked: Investigate | Fill, said: Mapping[str, Any]) -> Investigate | Fill:
    """The peer by the same rules as of an alert that a webhook brings."""
    peer = peer_in(labels_in(said), pointed.text_of(said))
    if peer is None:
        return asked
    if isinstance(asked, Fill):
        return replace(asked, to=str(peer))
    return replace(asked, to_host=peer.host, to_port=peer.port, to_protocol=peer.protocol)
