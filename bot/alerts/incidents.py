"""Incidents by their key: what fires anew, what only repeats, what resolves. Pure, and bounded in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from bot.triggers.alert import Alert, AlertState

MAX_INCIDENTS = 10_000
"""Incidents that are remembered; the longest unheard of are forgotten first. A second start of what was forgotten is
still prevented by the store, by the alert's own start."""


class Novelty(StrEnum):
    """Novelty of an alert, compared with what was heard before."""

    NEW = "new"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"


@dataclass(slots=True)
class Incident:
    """`since` is the start of the firing that is open, as the sender wrote it; `investigation` what came of it."""

    since: str
    is_open: bool = True
    investigation: str = ""


class Incidents:
    """Of one process."""

    def __init__(self, most: int = MAX_INCIDENTS) -> None:
        self._known: OrderedDict[str, Incident] = OrderedDict()
        self._most = most

    def hear(self, alert: Alert) -> Novelty:
        """The same firing again is a repeat; after a resolve, or with another start, it is new."""
        if alert.state is AlertState.ACKNOWLEDGED:
            return Novelty.ACKNOWLEDGED
        known = self._known.get(alert.key)
        if alert.state is AlertState.RESOLVED:
            if known is not None:
                known.is_open = False
            return Novelty.RESOLVED
        if known is not None and known.is_open and known.since == alert.since:
            self._known.move_to_end(alert.key)
            return Novelty.REPEAT
        self._known[alert.key] = Incident(alert.since)
        self._known.move_to_end(alert.key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return Novelty.NEW

    def forget(self, alert: Alert) -> None:
        """It could not be taken on: when it is sent again, it is new."""
        self._known.pop(alert.key, None)

    def started(self, alert: Alert, investigation: str) -> None:
        """Notes what it led to, for its resolve."""
        if (known := self._known.get(alert.key)) is not None:
            known.investigation = investigation

    def investigation_of(self, alert: Alert) -> str:
        known = self._known.get(alert.key)
        return "" if known is None else known.investigation

    def any_open(self, investigation: str) -> bool:
        """True while one of the alerts that led to it fires."""
        return any(each.is_open and each.investigation == investigation for each in self._known.values())

    def __len__(self) -> int:
        return len(self._known)
