"""How much of what the flow set out to see was seen: a number from 0 to 1 which caps the confidence."""

from __future__ import annotations

from collections.abc import Mapping

from flows.load import Flow
from flows.model import Case
from sensors.kit import Evidence, Sensor, Sight


def coverage_of(case: Case, flow: Flow, sensors: Mapping[str, Sensor]) -> float:
    """The weighted share of looks that were not blind.

    A sensor that knows how partial its own look was (hubble: nodes silent, events lost) says so in `facts.coverage`.
    An absent thing was looked at: it counts as covered.
    """
    asked = [(sensors[each.sensor].weight, _share(each)) for each in case.evidence.values() if each.sensor in sensors]
    whole = sum(weight for weight, _ in asked)
    return sum(weight * share for weight, share in asked) / whole if whole else 0.0


def _share(evidence: Evidence) -> float:
    if evidence.sight is Sight.BLIND:
        return 0.0
    own = getattr(evidence.facts, "coverage", 1.0)
    return min(max(float(own), 0.0), 1.0)
