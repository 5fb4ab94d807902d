"""A case: all evidence of one investigation, asked for by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sensors.kit import Environment, Evidence, Sight, Target

F = TypeVar("F")


class Missing(Exception):
    """A rule asked for facts that no sensor brought: it cannot tell. `why` is the evidence's own reason."""

    def __init__(self, wanted: type, why: str) -> None:
        super().__init__(f"no {wanted.__name__}: {why}")
        self.wanted, self.why = wanted, why

    def __reduce__(self) -> tuple[type[Missing], tuple[type, str]]:
        return Missing, (self.wanted, self.why)


@dataclass(frozen=True)
class Case:
    """All evidence of one investigation, asked for by type: `case[Conntrack]` is a `Conntrack` or raises `Missing`.

    `evidence` maps ids (`E1`, `E2`, … in the order of the flow's steps, whatever finished first) to evidence.
    """

    target: Target
    environment: Environment
    at: datetime
    evidence: Mapping[str, Evidence]
    derived: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[type[Case], tuple[Any, ...]]:
        """What is derived is derived anew where a case comes out: it is larger than what it was made of."""
        return Case, (self.target, self.environment, self.at, self.evidence)

    def __getitem__(self, wanted: type[F]) -> F:
        for each in self.evidence.values():
            if isinstance(each.facts, wanted):
                return each.facts
        raise Missing(wanted, self._why_not(wanted))

    def _why_not(self, wanted: type) -> str:
        """The blind sensor's own reason, where the sensor's module is the home of the facts asked for."""
        home = wanted.__module__.rpartition(".")[2]
        for each in self.evidence.values():
            if each.sensor.replace(".", "_") == home and each.facts is None:
                return f"{each.sensor} is {each.sight}: {each.why}"
        return "no sensor of this flow brings it"

    def get(self, wanted: type[F]) -> F | None:
        """The facts, or None where nobody saw them: for what merely refines a finding."""
        try:
            return self[wanted]
        except Missing:
            return None

    def id_of(self, wanted: type) -> str | None:
        """The evidence id that carries these facts."""
        return next((key for key, each in self.evidence.items() if isinstance(each.facts, wanted)), None)

    def sight_of(self, sensor: str) -> Sight | None:
        """End of a sensor's look; None when the flow did not ask it."""
        return next((each.sight for each in self.evidence.values() if each.sensor == sensor), None)

    def once(self, derive: Callable[[Case], F]) -> F:
        """View that `derive` makes of this case, made once: rules share costly views such as the policy world."""
        if derive not in self.derived:
            self.derived[derive] = derive(self)
        result: F = self.derived[derive]
        return result
