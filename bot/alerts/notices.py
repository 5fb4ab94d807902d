"""Notices about alerts, before a channel words them."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from bot.store import Investigation
from bot.triggers.alert import Alert
from sensors.kit import Target


class MessageSign(StrEnum):
    """A sign on the channel's message about an alert."""

    LOOKING = "looking"
    SKIPPED = "skipped"
    UNCLEAR = "unclear"
    POINTED = "pointed"


@dataclass(frozen=True, slots=True)
class StartedByAlert:
    """An investigation was started. `chosen` says why this pod where the alert left a choice; `because`: the gate."""

    alert: Alert
    because: str
    chosen: str = ""
    others: int = 0


@dataclass(frozen=True, slots=True)
class SkippedAlert:
    """Nothing was started, and why. `target`: the pod of `cluster` that could be looked into nevertheless."""

    alert: Alert
    why: str
    target: Target | None = None
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class UnclearAlert:
    """Alert that names no single pod. `candidates` (namespace, name) of `cluster` are those to choose from."""

    alert: Alert
    why: str
    candidates: tuple[tuple[str, str], ...] = ()
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class ListedAlerts:
    """Alerts of a storm, or beyond a limit. `investigated`: one of them is looked into for all; else `why` none is.

    `lines` are those that are shown, of `count`; `by_namespace` counts all of them; `dropped` could not even be kept.
    """

    name: str
    count: int
    lines: tuple[str, ...]
    by_namespace: tuple[tuple[str, int], ...]
    investigated: bool
    why: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class PointedAlert:
    """The answer to this alert stands elsewhere: with `others`, in one investigation or, not `investigated`, in a list.

    `url` leads there, empty where Slack gives no link; None where not everybody in the channel may see that place.
    """

    alert: Alert
    investigated: bool
    others: int
    url: str | None = None


Notice: TypeAlias = StartedByAlert | SkippedAlert | UnclearAlert | ListedAlerts | PointedAlert


@dataclass(frozen=True, slots=True)
class AnswerPlace:
    """Place of an answer: a channel, and the ts of the message in whose thread it stands."""

    channel: str
    thread: str


class NoticeSender(Protocol):
    """The channel. Each method tries its best: what cannot be said is logged, and does not end anything."""

    async def anchor(self, channel: str, title: str, seconds: float) -> str:
        """The ts of the channel's message with that title, waited for so long; empty where none comes."""

    async def open(self, it: Investigation) -> AnswerPlace | None:
        """The root message of an investigation; its thread, None where it could not be opened."""

    async def link(self, place: AnswerPlace, reader: str) -> str | None:
        """Leads there; empty where there is no link, None where not all readers of the channel `reader` may see it."""

    def tell(self, channel: str, thread: str, notice: Notice, ts: str = "") -> Coroutine[Any, Any, str]:
        """Say it in a thread, or at the top of the channel; with `ts`, in place of what was said there. Its ts."""

    def mark(self, channel: str, ts: str, mark: MessageSign) -> None:
        """A reaction on the alert's own message."""
