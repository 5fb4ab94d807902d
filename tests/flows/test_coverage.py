"""How much was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flows.coverage import coverage_of
from flows.load import Flow
from flows.model import Case
from sensors.kit import Environment, Evidence, Sensor, Sight, Target


@dataclass(frozen=True)
class Partial:
    coverage: float


async def look(*_: object) -> None: ...


def sensor(name: str, weight: float = 1.0) -> Sensor:
    return Sensor(name, look, Partial, 1.0, (), weight)


FLOW = Flow("flow.x", "", 1.0, ())
SENSORS = {"a": sensor("a", 3.0), "b": sensor("b")}


def covered(*evidence: Evidence) -> float:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    seen = {f"E{number}": each for number, each in enumerate(evidence)}
    return coverage_of(Case(Target("p", "n"), Environment(), at, seen), FLOW, SENSORS)


def test_a_blind_look_costs_its_weight():
    assert covered(Evidence("a", Sight.BLIND, why="x"), Evidence("b", Sight.SEEN, Partial(1.0))) == 0.25


def test_an_absent_thing_was_looked_at():
    assert covered(Evidence("a", Sight.ABSENT, why="none"), Evidence("b", Sight.SEEN, Partial(1.0))) == 1.0


def test_a_look_that_knows_it_was_partial_counts_in_part():
    assert covered(Evidence("a", Sight.SEEN, Partial(0.5)), Evidence("b", Sight.SEEN, Partial(1.0))) == 0.625


def test_nothing_looked_at_covers_nothing():
    assert covered() == 0.0
