"""Alert of any sender: its name, its state, its subject, its peer. Untrusted, and bounded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sensors.kit.addresses import HostPort

MOST_LABELS = 64
LONGEST_LABEL = 1000
"""Characters of a label's value that are kept."""

MOST_WORDS = 4000
"""Characters of an alert's text in which symptoms and a peer are looked for."""


class AlertState(StrEnum):
    """State of an alert. `acknowledged` starts nothing and ends nothing."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"


class SubjectKind(StrEnum):
    """Kind of a thing that an alert names. `probe`: the prober is meant; `words`: only a cluster knows them."""

    POD = "pod"
    WORKLOAD = "workload"
    SERVICE = "service"
    INGRESS = "ingress"
    NODE = "node"
    PROBE = "probe"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """One thing an alert names. A workload's name is `deploy/NAME`; a node has no namespace."""

    kind: SubjectKind
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        if not self.name:
            return "the pod that probes" if self.kind is SubjectKind.PROBE else "names in its text"
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Alert:
    """`key` is the same each time the same thing fires; `since`, as it was sent, differs with each firing or is empty.

    `title` is what the channel's message about it says; `meant` are the things it names, the most exact first.
    """

    source: str
    name: str
    state: AlertState
    key: str
    since: str = ""
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    meant: tuple[AlertSubject, ...] = ()
    peer: HostPort | None = None

    @property
    def cluster(self) -> str:
        """The label `cluster`, which Prometheus puts on all of a cluster's alerts; empty where there is none."""
        return self.labels.get("cluster", "")[:63]


def strings(value: Any) -> dict[str, str]:
    """A mapping of labels or annotations as plain text, bounded; whatever else it is, is none."""
    if not isinstance(value, Mapping):
        return {}
    pairs = [(name, each) for name, each in value.items() if isinstance(name, str) and isinstance(each, str)]
    return {name[:200]: each[:LONGEST_LABEL] for name, each in pairs[:MOST_LABELS]}


def mappings(value: Any, most: int) -> list[Mapping[str, Any]]:
    """The objects of a list, at most so many; whatever else it is, is none."""
    return [each for each in value[:most] if isinstance(each, Mapping)] if isinstance(value, list) else []


def text(value: Any, most: int = LONGEST_LABEL) -> str:
    """A text of a payload; empty where it is none."""
    return value[:most] if isinstance(value, str) else ""


def id_in(value: Any) -> str:
    """An id, which some senders write as a number."""
    return str(value)[:64] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def key_of(*parts: str) -> str:
    """An incident's key where the sender gives none."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
