"""Limits of investigations at once, and the answer to a person when there are too many."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.store import Ceiling, Full, Request
from sensors.text import capital

TYPICAL = 30.0
"""Seconds that an investigation takes at most: the `within` of the flows that come with KAI."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`ceiling`: what is taken on at all, running and waiting. The rest: how much of it runs at the same time.

    `each_process` bounds one replica, `each_cluster` and `each_namespace` all replicas together.
    """

    ceiling: Ceiling = field(default_factory=Ceiling)
    each_process: int = 8
    each_cluster: int = 32
    each_namespace: int = 4

    def waits_for(self, cluster: int, namespace: int) -> int:
        """Of so many that came before in the cluster, and in the namespace of it: how many must end first."""
        room = min(self.each_process, self.each_cluster)
        return max(0, namespace + 1 - self.each_namespace, cluster + 1 - room)


class LimitReached(Exception):
    """Not taken on. The message is one sentence that says when to try again; `after` is that in seconds."""

    def __init__(self, limit: str, sentence: str, after: float) -> None:
        super().__init__(sentence)
        self.limit, self.after = limit, after


def refusal(full: Full, request: Request, now: datetime) -> LimitReached:
    """The refusal in words. The oldest investigation is the first to make room."""
    after = max(5.0, TYPICAL - (now - full.oldest).total_seconds())
    busy = {
        "cluster": f"{_several(full.live)} are under way in the cluster {request.cluster}",
        "namespace": f"{_several(full.live)} are under way in the namespace {request.target.namespace}",
        "user": f"you have {_several(full.live)} under way",
    }[full.limit]
    sentence = f"{capital(busy)}, which is the most there may be: try again in {after:.0f} s."
    return LimitReached(full.limit, sentence, after)


def unknown_cluster(request: Request, known: tuple[str, ...]) -> LimitReached:
    names = ", ".join(known)
    return LimitReached("unknown", f"No cluster {request.cluster!r} is looked after here: try again with {names}.", 0.0)


def _several(count: int) -> str:
    return "1 investigation" if count == 1 else f"{count} investigations"
