"""Settings of clusters: their names, the way to each, and which channel speaks of which.

clusters:
  prod-eu: {context: prod-eu, hubble: "hubble-relay.prod-eu:443", channels: [C0123ABC]}
  staging: {kubeconfig: /etc/kai/staging.yaml}
default_cluster: prod-eu
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import BadSettings
from bot.report.cluster_name import UNNAMED
from sensors.kit.nearest import did_you_mean

WORDS = ("context", "kubeconfig", "hubble", "channels")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,20}")


@dataclass(frozen=True, slots=True)
class NamedCluster:
    """One cluster. `hubble`: HOST:PORT of its own relay; `channels`: Slack's ids of those that speak of it."""

    name: str
    context: str | None = None
    kubeconfig: str | None = None
    hubble: str | None = None
    channels: tuple[str, ...] = ()


def read(said: object) -> tuple[NamedCluster, ...]:
    """The clusters of the settings. Raises `BadSettings` in one line."""
    if said is None:
        return ()
    if not isinstance(said, dict) or not said:
        raise BadSettings("clusters: should hold a name for each cluster, such as prod-eu: {context: prod-eu}")
    found = tuple(_cluster(str(name), each) for name, each in said.items())
    _check_apart(found)
    return found


def named(clusters: Iterable[NamedCluster], name: str) -> NamedCluster:
    """Raises `BadSettings` with the list of those there are."""
    known = {each.name: each for each in clusters}
    if name not in known:
        raise BadSettings(unknown(name, known))
    return known[name]


def unknown(name: str, known: Iterable[str]) -> str:
    """The reason why a name means no cluster, and which do."""
    listed = sorted(each for each in known if each != UNNAMED)
    if not listed:
        return f"no cluster {name[:60]!r}: the settings name none (clusters: in the settings file)"
    return f"no cluster {name[:60]!r}; there are: {', '.join(listed)}"


def _cluster(name: str, said: Any) -> NamedCluster:
    where = f"clusters: {name[:60]}"
    if not _NAME.fullmatch(name) or name == UNNAMED:
        raise BadSettings(f"{where}: a name has small letters, digits and dashes, and is not {UNNAMED!r}")
    if not isinstance(said, dict):
        raise BadSettings(f"{where}: should hold {', '.join(WORDS)}, such as {{context: {name}}}")
    for word in map(str, said):
        if word not in WORDS:
            raise BadSettings(f"{where}: unknown word {word!r}{did_you_mean(word, WORDS)}")
    ways = {word: _text(where, word, said[word]) for word in WORDS[:3] if said.get(word) is not None}
    if not ways.get("context") and not ways.get("kubeconfig"):
        raise BadSettings(f"{where}: say its context: or its kubeconfig:, or it could be any cluster")
    return NamedCluster(name, ways.get("context"), ways.get("kubeconfig"), ways.get("hubble"), _channels(where, said))


def _text(where: str, word: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadSettings(f"{where}: {word}: should be a text, not {str(value)[:40]!r}")
    return value.strip()


def _channels(where: str, said: Mapping[Any, Any]) -> tuple[str, ...]:
    listed = said.get("channels") or []
    if not isinstance(listed, list):
        raise BadSettings(f"{where}: channels: should be a list of channel ids, such as [C0123ABC]")
    for each in listed:
        if not isinstance(each, str) or not _CHANNEL.fullmatch(each):
            raise BadSettings(f"{where}: channels: {str(each)[:40]!r} is no channel id such as C0123ABC")
    return tuple(listed)


def _check_apart(clusters: tuple[NamedCluster, ...]) -> None:
    """One channel speaks of one cluster, and one way leads to one."""
    channels = Counter(channel for each in clusters for channel in each.channels)
    ways = Counter((each.kubeconfig, each.context) for each in clusters)
    for each in clusters:
        if twice := [channel for channel in each.channels if channels[channel] > 1]:
            raise BadSettings(f"clusters: {each.name}: the channel {twice[0]} is named twice: one channel, one cluster")
        if ways[each.kubeconfig, each.context] > 1:
            raise BadSettings(f"clusters: {each.name}: another cluster has the same context and kubeconfig")
