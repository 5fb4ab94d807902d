"""The nouns of remembering: a request, the investigation it became, what was seen, judged and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sensors.kit import Target

LONGEST_NAME = 253
"""Characters of a pod's, namespace's or host's name: RFC 1123, as Kubernetes has it."""

LONGEST_WORD = 200
"""Characters of any other short word of a request: a flow, a user, a channel."""


class OriginKind(StrEnum):
    """Origin of a request."""

    SLASH = "slash"
    MENTION = "mention"
    SHORTCUT = "shortcut"
    FORM = "form"
    ALERT = "alert"
    TERMINAL = "terminal"


class InvestigationState(StrEnum):
    """State of an investigation. `failed`: it could not look; `lost`: it was given up after crashes."""

    QUEUED = "queued"
    RUNNING = "running"
    CONCLUDED = "concluded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


LIVE = (InvestigationState.QUEUED, InvestigationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Request:
    """Request of a person or an alert. `target.pod` may be any word that `resolve` understands.

    `channel` and `thread` are where the answer is awaited (Slack ids), empty outside Slack. `since` in seconds bounds
    how far back hubble flows are read; None: all there are. Raises `ValueError` in one line when a word is longer than
    anything of its kind can be.
    """

    target: Target
    flow: str
    origin: OriginKind
    asked_by: str
    cluster: str = "default"
    channel: str = ""
    thread: str = ""
    since: int | None = None

    def __post_init__(self) -> None:
        names = {"pod": self.target.pod, "namespace": self.target.namespace, "peer": self.target.to_host or ""}
        words = {"flow": self.flow, "user": self.asked_by, "cluster": self.cluster, "channel": self.channel}
        for kind, word in {**names, **words, "thread": self.thread}.items():
            most = LONGEST_NAME if kind in names else LONGEST_WORD
            if len(word) > most or not word.isprintable():
                raise ValueError(f"the {kind} has at most {most} printable characters, this one has {len(word)}")
        if not self.target.pod or not self.target.namespace:
            raise ValueError("a request names a pod and its namespace")

    @property
    def key(self) -> str:
        """Two requests with one key ask the same: while one is looked into, the other joins it."""
        window = "" if self.since is None else f" {self.since}s"
        return f"{self.cluster} {self.flow} {self.target} {self.target.to or '*'}{window}"


@dataclass(frozen=True, slots=True)
class Investigation:
    """A request that was taken on. `why` says in a sentence why it failed, was cancelled or was lost.

    `looks` counts how often it was looked into: more than once means that a process ended in the midst of it.
    """

    id: str
    request: Request
    state: InvestigationState
    asked_at: datetime
    began_at: datetime | None = None
    ended_at: datetime | None = None
    why: str = ""
    looks: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Ceiling of live investigations at once: in a cluster, in one of its namespaces, of one person."""

    cluster: int = 100
    namespace: int = 20
    user: int = 5


@dataclass(frozen=True, slots=True)
class Admitted:
    """Taken on; `fresh` is False when it joined what is already being looked into, or had been asked with that key."""

    investigation: Investigation
    fresh: bool


@dataclass(frozen=True, slots=True)
class Full:
    """Not taken on: `live` investigations of this `limit` (cluster, namespace, user) are the most there may be."""

    limit: str
    live: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One look as it is kept: `facts` are the reported facts, plain JSON."""

    id: str
    sensor: str
    sight: str
    summary: str
    facts: Mapping[str, Any]


def rows_of(result: Mapping[str, Any]) -> tuple[EvidenceRow, ...]:
    """Evidence of a result as it was encoded, one by one."""
    names = [each.name for each in fields(EvidenceRow)]
    return tuple(EvidenceRow(*(each[name] for name in names)) for each in result["evidence"])


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A diagnosis as it is kept: the JSON result (docs/schema/diagnosis.v1.schema.json) and what a list shows of it."""

    investigation: str
    cause_class: str
    component: str
    confidence: float
    root_cause: str
    result: Mapping[str, Any]


class MessageState(StrEnum):
    """`attempted` is said before posting: after a crash it means "ask whether it was posted"."""

    PENDING = "pending"
    ATTEMPTED = "attempted"
    POSTED = "posted"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Posted:
    """Location of a message, and a digest of its text."""

    channel: str
    ts: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something to be said once about an investigation. `role` is unique within it: verdict, failed, card, …"""

    key: str
    investigation: str
    role: str
    state: MessageState
    attempts: int
    due_at: datetime
    posted: Posted | None = None
    why: str = ""


class Opinion(StrEnum):
    """Opinion of a person on a verdict."""

    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's latest word on one verdict."""

    investigation: str
    by: str
    opinion: Opinion
    words: str
    at: datetime
