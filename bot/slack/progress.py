"""How far an investigation has come: which looks have answered, by layer, and what can be told of them so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.desk.ports import Saw
from bot.report import blocks
from bot.report.blocks import Said, Task
from flows.causes import Layer
from flows.load import Flow
from sensors.kit import Evidence, Sensor, Sight


@dataclass(slots=True)
class Progress:
    """Which looks have answered, by layer. `before`: how many must end first; `begun`: it has had its turn."""

    looks: Mapping[str, tuple[str, ...]]
    total: int
    before: int = 0
    begun: bool = False
    answered: dict[str, Sight] = field(default_factory=dict)
    seen: dict[str, tuple[str, Evidence]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def saw(self, moment: Saw) -> None:
        self.answered[moment.step.id] = moment.evidence.sight
        self.seen[moment.step.id] = moment.id, moment.evidence

    def ready(self) -> tuple[str, Said] | None:
        """A layer of which something was seen, once each; those that miss nothing go first."""
        waiting = [layer for layer in self.looks if layer not in self.given and self._seen_of(layer)]
        layer = min(waiting, key=lambda each: len(self.looks[each]) - len(self._seen_of(each)), default=None)
        if layer is None:
            return None
        self.given.add(layer)
        return layer, blocks.heard(layer, self._seen_of(layer), len(self.looks[layer]))

    def _seen_of(self, layer: str) -> dict[str, Evidence]:
        return dict(self.seen[step] for step in self.looks[layer] if step in self.seen)

    def words(self) -> str:
        if not self.begun:
            return f"waiting for its turn, {self.before} before it" if self.before else "starting"
        return f"{len(self.answered)} of {self.total} looks done" if self.total else "looking"

    def tasks(self) -> tuple[Task, ...]:
        return tuple(self._task(layer, steps) for layer, steps in self.looks.items() if steps)

    def _task(self, layer: str, steps: tuple[str, ...]) -> Task:
        if not self.begun:
            return Task(layer, "pending")
        seen = [self.answered[step] for step in steps if step in self.answered]
        if len(seen) < len(steps):
            return Task(layer, "in_progress", f"{len(seen)} of {len(steps)} looks")
        blind = all(each is Sight.BLIND for each in seen)
        return Task(layer, "error" if blind else "complete", "could not look" if blind else "looked")


def progress_of(flow: Flow | None, sensors: Mapping[str, Sensor]) -> Progress:
    """The looks of a flow by the layers that its sensors speak of."""
    steps = flow.looks if flow else ()
    looks = {
        layer.value: tuple(each.id for each in steps if each.ref in sensors and layer in sensors[each.ref].layers)
        for layer in Layer
    }
    return Progress(looks, len(steps))
