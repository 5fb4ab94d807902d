"""How much was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flows.coverage import coverage_of, coverage_of_cause
from flows.model import Case, Finding
from sensors.kit import Environment, Evidence, Sensor, Sight, Target


@dataclass(frozen=True)
class Partial:
    coverage: float


async def look(*_: object) -> None: ...


def sensor(name: str, weight: float = 1.0) -> Sensor:
    return Sensor(name, look, Partial, 1.0, (), weight)


SENSORS = {"a": sensor("a", 3.0), "b": sensor("b")}


def covered(*evidence: Evidence) -> float:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    seen = {f"E{number}": each for number, each in enumerate(evidence)}
    return coverage_of(Case(Target("p", "n"), Environment(), at, seen), SENSORS)


def test_a_blind_look_costs_its_weight():
    assert covered(Evidence("a", Sight.BLIND, why="x"), Evidence("b", Sight.SEEN, Partial(1.0))) == 0.25


def test_an_absent_thing_was_looked_at():
    assert covered(Evidence("a", Sight.ABSENT, why="none"), Evidence("b", Sight.SEEN, Partial(1.0))) == 1.0


def test_a_look_that_knows_it_was_partial_counts_in_part():
    assert covered(Evidence("a", Sight.SEEN, Partial(0.5)), Evidence("b", Sight.SEEN, Partial(1.0))) == 0.625


def test_nothing_looked_at_covers_nothing():
    assert covered() == 0.0


# -- what matters for one cause --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Api:
    """What an object of the API states."""


LOOKS = {
    "api": Sensor("api", look, Api, 1.0, ("service",)),
    "hubble.capture_flows": Sensor("hubble.capture_flows", look, Partial, 1.0, ("service", "policy"), 3.0),
    "net.mtu": Sensor("net.mtu", look, Partial, 1.0, ("physical",), 6.0),
}
READ = (Evidence("api", Sight.SEEN, Api()),)
NO_MTU = Evidence("net.mtu", Sight.BLIND, why="x")
NO_FLOWS = Evidence("hubble.capture_flows", Sight.BLIND, why="x")


def cap(belief: float, *evidence: Evidence, cni: str = "cilium", cause: str = "service.no_endpoints") -> float:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    seen = {f"E{number}": each for number, each in enumerate(evidence)}
    case = Case(Target("p", "n"), Environment(cni=cni), at, seen)
    return coverage_of_cause(case, Finding(cause, cause, None, belief, "", (Api,)), LOOKS)


def test_what_an_object_states_is_sure_whatever_else_was_not_measured():
    assert cap(0.97, *READ, NO_MTU, NO_FLOWS) == 1.0


def test_what_was_concluded_is_capped_by_the_blind_looks_at_its_layer():
    assert cap(0.9, *READ, NO_FLOWS) == 0.25


def test_a_blind_look_at_another_layer_lowers_nothing():
    assert cap(0.9, *READ, NO_MTU) == 1.0


def test_hubble_is_not_missing_where_the_network_has_none():
    assert cap(0.9, *READ, NO_FLOWS, cni="calico") == 1.0


def test_health_rests_on_every_look():
    assert cap(0.97, *READ, NO_MTU, cause="none.healthy") == 1 / 7
