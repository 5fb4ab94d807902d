"""The nouns of looking: what is looked at, what looks, and what comes back.

A look has three outcomes and no fourth: *seen* (facts), *absent* (looked; the thing does not exist) and *blind*
(could not look, and why). An empty answer is never a substitute for blindness.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sensors.kit.addresses import HostPort


class Sight(StrEnum):
    """End of a look."""

    SEEN = "seen"
    ABSENT = "absent"
    BLIND = "blind"


class Absent(Exception):
    """Looked, and the thing does not exist: say which thing and, where known, what is nearest to it."""


class Blind(Exception):
    """Could not look: say why in words that tell the reader what is missing (a right, a file, a node, time)."""


class TooMany(Blind):
    """There are more than can be read at once. A part of them may do: those of one namespace."""


NOT_RECORDED = "not in the recording"
"""What a recording is blind for says so in these words: nothing refused the look, it was just not kept."""


class Facts(Protocol):
    """Facts of one sensor: a frozen dataclass, one type per sensor, so that rules can ask for it by type.

    A field whose metadata has ``{"report": False}`` stays in memory for the rules and out of the written result.
    """

    def summary(self) -> str:
        """One plain sentence for the report: the figures a person would quote."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """The pod that cannot talk and, where the question says so, the peer it cannot talk to.

    `to_protocol` is TCP, UDP or SCTP, None where nobody said it.
    """

    pod: str
    namespace: str
    to_host: str | None = None
    to_port: int | None = None
    to_protocol: str | None = None

    @property
    def peer(self) -> tuple[str | None, int | None, str | None]:
        """Host, port and protocol of the peer."""
        return self.to_host, self.to_port, self.to_protocol

    @property
    def to(self) -> str | None:
        """The peer as the person wrote it, `HOST:PORT[/PROTOCOL]`; IPv6 hosts in brackets."""
        return None if self.to_host is None else str(HostPort(self.to_host, self.to_port, self.to_protocol))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One look with its circumstances. `facts` is set exactly when the sight is `seen`; `why` when it is not."""

    sensor: str
    sight: Sight
    facts: Any = None
    why: str = ""
    took_ms: float = 0.0

    @property
    def summary(self) -> str:
        return self.facts.summary() if self.facts is not None else self.why


LookFunction = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A plug-in that looks. `look(target, cluster, **settings)` returns `gives` or raises `Absent` / `Blind`.

    `settings` are the keyword-only parameters of `look`; a flow file sets them in `with:`.
    `within` is the sensor's own time limit in seconds; the flow's budget may cut it shorter.
    `weight` is how much a blind look costs the coverage of a diagnosis (1 = one part among all).
    `needs_pod`: a target that is a namespace and no pod has nothing to be looked at.
    """

    id: str
    look: LookFunction
    gives: type
    within: float
    layers: tuple[str, ...]
    weight: float = 1.0
    needs_pod: bool = True
