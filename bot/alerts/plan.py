"""Plans for alerts that came together: look into each, or into the common cause of a storm. Pure.

Few alerts are looked into one by one; those about the same pod and peer are one. More than `each` in a window are a
storm: alerts of one name and one peer (or, without a peer, one node) have a common cause, and the largest groups are
looked into once in a window. Nothing is left out of the plan: what is not looked into is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind

FIRED = "alert"
"""Begins the id of a firing."""


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """Investigations that alerts may start in `window_s` seconds: `each` one by one, in one namespace at most
    `namespace`, and `storm` for common causes beyond them."""

    each: int = 5
    storm: int = 3
    namespace: int = 3
    window_s: float = 60.0
    gather_s: float = 1.0
    anchor_s: float = 5.0
    waiting: int = 5000


@dataclass(frozen=True, slots=True)
class Received:
    """An alert and where it came in. `thread` is the channel's own message about it, where that is known."""

    alert: Alert
    channel: str
    thread: str = ""
    sender: str = ""

    @property
    def once(self) -> str:
        """The id of this firing, under which the store remembers what it started; of a message, its place."""
        return f"{FIRED} {self.alert.key} {self.alert.since or self.thread}"[:200]

    @property
    def message(self) -> str:
        """Name of the channel's message about it: its ts, else the title by which it is found."""
        return self.thread or self.alert.title

    @property
    def row(self) -> str:
        """The id under which it is written down until it is judged: a resolve has one of its own."""
        return self.once if self.alert.state is not AlertState.RESOLVED else f"resolved {self.once}"[:200]


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts with one cause: the first leads. `is_storm`: they have a list of their own."""

    members: tuple[Received, ...]
    is_storm: bool = False

    @property
    def lead(self) -> Received:
        return self.members[0]

    @property
    def cause(self) -> str:
        return cause_of(self.lead.alert)


@dataclass(frozen=True, slots=True)
class SpentStarts:
    """Investigations already started in the window: by namespace, and for storms."""

    each: int = 0
    storm: int = 0
    namespaces: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """`groups` are looked into, one investigation each; `rest` is listed with the reason."""

    groups: tuple[AlertGroup, ...]
    rest: tuple[Received, ...] = ()


def plan(heard: Sequence[Received], spent: SpentStarts, limits: AlertLimits) -> AlertPlan:
    """Divides the alerts into those to look into and those that are only listed."""
    units = _grouped(heard, lambda each: subject_of(each.alert))
    if spent.each + len(units) <= limits.each:
        return _within_namespaces(units, spent, limits)
    causes = sorted(by_cause(heard), key=lambda group: -len(group.members))
    room = max(0, limits.storm - spent.storm)
    rest = tuple(each for group in causes[room:] for each in group.members)
    return AlertPlan(tuple(replace(group, is_storm=True) for group in causes[:room]), rest)


def by_cause(heard: Sequence[Received]) -> list[AlertGroup]:
    """The alerts by their common cause, in the order in which the first of each came."""
    return _grouped(heard, lambda each: cause_of(each.alert))


def _within_namespaces(units: Sequence[AlertGroup], spent: SpentStarts, limits: AlertLimits) -> AlertPlan:
    taken: list[AlertGroup] = []
    rest: list[Received] = []
    counts = Counter(spent.namespaces)
    for group in units:
        namespace = namespace_of(group.lead.alert)
        if namespace and counts[namespace] >= limits.namespace:
            rest += group.members
            continue
        counts[namespace] += 1
        taken.append(group)
    return AlertPlan(tuple(taken), tuple(rest))


def _grouped(heard: Sequence[Received], key: Callable[[Received], str]) -> list[AlertGroup]:
    found: dict[str, list[Received]] = {}
    for each in heard:
        found.setdefault(key(each), []).append(each)
    return [AlertGroup(tuple(members)) for members in found.values()]


def subject_of(alert: Alert) -> str:
    """Two alerts with one subject ask the same: which thing, which peer."""
    return f"{alert.cluster} {_thing(alert)} → {alert.peer}"


def _thing(alert: Alert) -> str:
    first = next(iter(alert.meant), AlertSubject(SubjectKind.WORDS, ""))
    return str(first) if first.kind is not SubjectKind.WORDS else alert.key


def cause_of(alert: Alert) -> str:
    """Common cause of alerts: the name, and the peer, else the node, where they name one; of no name, the thing."""
    node = next((each.name for each in alert.meant if each.kind is SubjectKind.NODE), "")
    peer = f"{alert.peer.host}:{alert.peer.port}" if alert.peer is not None else ""
    where = peer or node or ("" if alert.name else _thing(alert))
    return " ".join(filter(None, (alert.name, where, f"in {alert.cluster}" if alert.cluster else "")))


def namespace_of(alert: Alert) -> str:
    return next((each.namespace for each in alert.meant if each.namespace), "")
