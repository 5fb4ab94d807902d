"""Progress of an investigation: how many of its looks have answered, and which ones it still waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.desk.ports import Saw
from flows.load import Flow
from sensors.kit import Sensor

FEW_LEFT = 2
"""So many missing looks are named: they are what everybody waits for."""


@dataclass(slots=True)
class Progress:
    """`looks` are the sensors by step; `before`: how many must end first; `begun`: it has had its turn."""

    looks: Mapping[str, str]
    before: int = 0
    begun: bool = False
    answered: set[str] = field(default_factory=set)

    def saw(self, moment: Saw) -> None:
        self.answered.add(moment.step.id)

    def words(self) -> str:
        """`13 of 14 checks done, waiting for net.mtu`, without a full stop."""
        if not self.begun:
            return f"Waiting for its turn, {self.before} before it" if self.before else "Starting"
        if not self.looks:
            return "Looking"
        left = [sensor for step, sensor in self.looks.items() if step not in self.answered]
        waiting = f", waiting for {' and '.join(left)}" if 0 < len(left) <= FEW_LEFT else ""
        return f"{len(self.looks) - len(left)} of {len(self.looks)} checks done{waiting}"


def progress_of(flow: Flow | None, sensors: Mapping[str, Sensor]) -> Progress:
    """The looks of a flow that there are sensors for."""
    return Progress({each.id: each.ref for each in (flow.looks if flow else ()) if each.ref in sensors})
