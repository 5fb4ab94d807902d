"""State of one channel's alerts: what waits, what was started in the last minute, which storms go on."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.alerts.notices import AnswerPlace, ListedAlerts
from bot.alerts.plan import AlertGroup, Received, SpentStarts, cause_of, namespace_of

MAX_SHOWN_LINES = 30
"""Lines of a list that are shown; the rest is counted by namespace."""

MOST_POINTERS = 20
"""Messages of a channel that get a pointer in a window; a storm must not be doubled by its answer."""

MOST_LISTED = 5000
"""Lines of a list that are kept."""


OVER_LIMIT = "more came in a minute than are answered one by one"


@dataclass(frozen=True, slots=True)
class Start:
    """An investigation that was started at `at` seconds."""

    at: float
    namespace: str
    storm: bool


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """An investigation that is for a group of alerts, begun at `at` seconds; `place` may have no thread.

    Without an investigation, `why` there is none.
    """

    place: AnswerPlace
    investigation: str = ""
    at: float = 0.0
    why: str = ""


@dataclass(slots=True)
class AlertList:
    """Alerts that are not looked into one by one, by key: those of a storm's cause, or those beyond a limit.

    `thread` and `ts`: where the list is said; `answer`: the investigation that is for all of them.
    """

    name: str
    why: str = ""
    thread: str = ""
    ts: str = ""
    answer: GroupAnswer | None = None
    heard_at: float = 0.0
    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    dropped: int = 0
    fresh: dict[str, Received] = field(default_factory=dict)

    @property
    def investigated(self) -> bool:
        """True where one investigation is for all of them."""
        return self.answer is not None

    def add(self, received: Iterable[Received], now: float) -> None:
        self.heard_at = now
        for each in received:
            if len(self.lines) >= MOST_LISTED and each.alert.key not in self.lines:
                self.dropped += 1
            else:
                self.lines[each.alert.key] = line_of(each), namespace_of(each.alert) or "no namespace"
            if len(self.fresh) < MOST_POINTERS:
                self.fresh.setdefault(each.message, each)

    def take_fresh(self) -> list[Received]:
        """One alert for each message that was not there when the list was last said, as many as may get a pointer."""
        taken, self.fresh = [*self.fresh.values()], {}
        return taken

    def notice(self) -> ListedAlerts:
        """As it stands now; where all lines are from a few namespaces, one line for each namespace comes first."""
        counted = Counter(namespace for _, namespace in self.lines.values()).most_common()
        shown: dict[str, str] = {}
        for line, namespace in self.lines.values():
            shown.setdefault(namespace, line)
        first = list(shown.values())
        rest = [line for line, _ in self.lines.values() if line not in first]
        lines = tuple(dict.fromkeys([*first, *rest]))[:MAX_SHOWN_LINES]
        return ListedAlerts(
            self.name, len(self.lines), lines, tuple(counted), self.investigated, self.why, self.dropped
        )


@dataclass(slots=True)
class Room:
    """Of one channel. Everything in it is bounded, and it goes when nothing was heard for a window.

    `coming` counts those that wait and those that are being written down; `judged` are the keys of those that are done
    with as soon as the lists in `unsaid` are said; `pointed` are messages that got a pointer, and when. Lists have the
    cause of their storm as key; that of those beyond a limit has None.
    """

    coming: int = 0
    waiting: list[Received] = field(default_factory=list)
    resolved: list[Received] = field(default_factory=list)
    starts: deque[Start] = field(default_factory=deque)
    lists: dict[str | None, AlertList] = field(default_factory=dict)
    said: deque[float] = field(default_factory=deque)
    skipped: deque[float] = field(default_factory=deque)
    unsaid: dict[str | None, AlertList] = field(default_factory=dict)
    judged: list[str] = field(default_factory=list)
    pointed: dict[str, float] = field(default_factory=dict)
    dropped: int = 0

    def take(self) -> tuple[list[Received], list[Received], int]:
        """Empties the room: alerts that wait to be judged, those that resolved, how many were left out."""
        taken = self.waiting, self.resolved, self.dropped
        self.coming -= len(self.waiting) + len(self.resolved)
        self.waiting, self.resolved, self.dropped = [], [], 0
        return taken

    def list_storm(self, group: AlertGroup, answer: GroupAnswer | str, now: float) -> None:
        """Lists those of one cause: in the thread of its investigation, else in the channel with the reason."""
        there = self.unsaid[group.cause] = self.lists.setdefault(group.cause, AlertList(group.cause))
        if isinstance(answer, GroupAnswer) and answer.place.thread:
            there.answer, place = answer, answer.place
            there.thread = place.thread if place.channel == group.lead.channel else ""
        elif not there.investigated:
            there.why = answer if isinstance(answer, str) else answer.why or "its message could not be written"
        there.add(group.members, now)

    def list_rest(self, rest: Iterable[Received], dropped: int, now: float) -> None:
        """Lists those beyond a limit: with the storm that they belong to, else in one list of all others."""
        if dropped:
            there = self.unsaid[None] = self.lists.setdefault(None, AlertList("", OVER_LIMIT))
            there.add((), now)
            there.dropped += dropped
        for each in rest:
            key = cause if (cause := cause_of(each.alert)) in self.lists else None
            there = self.unsaid[key] = self.lists.setdefault(key, AlertList("", OVER_LIMIT))
            there.add((each,), now)

    def forget(self, before: float) -> None:
        """Leave the window behind; a list lives as long as something is added to it."""
        while self.starts and self.starts[0].at < before:
            self.starts.popleft()
        for moments in (self.said, self.skipped):
            while moments and moments[0] < before:
                moments.popleft()
        self.lists = {name: each for name, each in self.lists.items() if each.heard_at >= before}
        self.pointed = {message: at for message, at in self.pointed.items() if at >= before}

    def answered(self, cause: str, since: float) -> GroupAnswer | None:
        """The investigation of a storm that began since then: it is for whoever comes with the same cause."""
        answer = there.answer if (there := self.lists.get(cause)) is not None else None
        return answer if answer is not None and answer.at >= since else None

    def spent(self) -> SpentStarts:
        counted = Counter(each.namespace for each in self.starts if each.namespace)
        storm = sum(each.storm for each in self.starts)
        return SpentStarts(len(self.starts) - storm, storm, counted)

    @property
    def is_idle(self) -> bool:
        busy = self.coming or self.waiting or self.resolved or self.dropped
        return not (busy or self.starts or self.lists or self.said or self.skipped or self.pointed)


def line_of(received: Received) -> str:
    """An alert in one line: its name, what it names first, its peer."""
    alert = received.alert
    first = next((str(each) for each in alert.meant if each.name), "")
    peer = f" → {alert.peer}" if alert.peer is not None else ""
    return f"{alert.name or alert.title}: {first}{peer}" if first or peer else (alert.title or alert.name)
