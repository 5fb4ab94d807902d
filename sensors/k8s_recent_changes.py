"""What was changed shortly before: policies, Services, workloads, DNS and CNI settings, by whom, newest first.

Reads    creation times and managedFields of policies, Namespaces, Services, workloads, ConfigMaps and the pod; Events.
Touches  nothing.
Blind    when neither policies nor workloads nor Services could be read. Deletions leave no object and stay unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sensors.kit.events import EventFact
from sensors.kit.objects import Ref


class ChangeKind(StrEnum):
    """An object appeared, was changed, or was asked to go."""

    CREATED = "created"
    CHANGED = "changed"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `ago_s` seconds before the investigation; `manager` the writing program (`kubectl-patch`, `helm`).

    `fields` are the spec, data and label keys that this manager owns: the change is among them, which one is not
    recorded (source: managedFields keeps one time per manager).
    """

    about: Ref
    kind: ChangeKind
    at: datetime
    ago_s: float
    manager: str = ""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        by = f" by {self.manager}" if self.manager else ""
        what = f" ({', '.join(self.fields[:4])})" if self.fields and self.kind is ChangeKind.CHANGED else ""
        return f"{self.about} {self.kind.value} {self.ago_s:.0f} s ago{by}{what}"


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """Changes within `window_s` seconds before `at`, newest first; `events` of the same time, warnings first."""

    at: datetime
    window_s: int
    changes: tuple[Change, ...]
    events: tuple[EventFact, ...]
    unread: tuple[str, ...]

    def of(self, about: Ref) -> tuple[Change, ...]:
        """The changes of one object."""
        return tuple(each for each in self.changes if each.about == about)

    def summary(self) -> str:
        if not self.changes:
            return f"nothing was changed in the {self.window_s} s before"
        return f"{len(self.changes)} changes in {self.window_s} s; newest: " + "; ".join(map(str, self.changes[:3]))
