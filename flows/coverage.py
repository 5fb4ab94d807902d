"""Share of the facts that matter for a cause and were seen: a number from 0 to 1 which caps the confidence.

That a selector matches no pod is a fact of the API, and stays one where nobody measured the MTU; a policy is accused
the less surely, the less was seen of policies and of drops. What was not measured is listed by layer in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flows.belief import PROVED
from flows.model import Case, Finding
from flows.symptoms.network import can_exist
from sensors.kit import Evidence, Sensor, Sight


def coverage_of(case: Case, sensors: Mapping[str, Sensor]) -> float:
    """The weighted share of all looks that were not blind.

    A sensor that knows how partial its own look was (hubble: nodes silent, events lost) says so in `facts.coverage`.
    An absent thing was looked at: it counts as covered.
    """
    return _share(case.evidence.values(), sensors)


def coverage_of_cause(case: Case, root: Finding, sensors: Mapping[str, Sensor]) -> float:
    """The share of the looks that matter for one cause: those it rests on, and those at its layer.

    What an object itself states needs no look besides the one that read it. Health, and a verdict that none is shown,
    rest on every look. A look that cannot exist on this network (Hubble without Cilium) is not missing.
    """
    if root.layer is None:
        return coverage_of(case, sensors)
    shown = [each for each in case.evidence.values() if isinstance(each.facts, root.shown_by)]
    if root.belief >= PROVED and shown:
        return _share(shown, sensors)
    at_layer = _share([*shown, *_at_layer(case, root, shown, sensors)], sensors)
    return max(at_layer, coverage_of(case, sensors))  # what lies elsewhere can only have ruled out more


def _at_layer(case: Case, root: Finding, shown: list[Evidence], sensors: Mapping[str, Sensor]) -> list[Evidence]:
    return [
        each
        for each in case.evidence.values()
        if each not in shown
        and each.sensor in sensors
        and str(root.layer) in sensors[each.sensor].layers
        and can_exist(case, each.sensor)
    ]


def _share(looks: Iterable[Evidence], sensors: Mapping[str, Sensor]) -> float:
    asked = [(sensors[each.sensor].weight, _seen(each)) for each in looks if each.sensor in sensors]
    whole = sum(weight for weight, _ in asked)
    return sum(weight * share for weight, share in asked) / whole if whole else 0.0


def _seen(evidence: Evidence) -> float:
    if evidence.sight is Sight.BLIND:
        return 0.0
    own = getattr(evidence.facts, "coverage", 1.0)
    return min(max(float(own), 0.0), 1.0)
