"""A kept result as a diagnosis again, so that what was found last week is told in the words of today's report.

The inverse of `bot.report.json_result`. What the JSON does not hold (what a sensor kept for the rules only) is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.report import Circumstances
from flows.causes import Layer
from flows.model import Component, Diagnosis, Doubt, Finding, Fix, LayerRow, LayerState, Proof
from sensors.kit import Evidence, Sight, Target
from sensors.kit.addresses import host_port


class CannotRecall(ValueError):
    """The result has another shape: another version of KAI wrote it. The message is one line."""


@dataclass(frozen=True, slots=True)
class Told:
    """Facts of which the sentence and the reported figures are left."""

    sentence: str
    facts: Mapping[str, Any]

    def summary(self) -> str:
        return self.sentence


def recall(result: Mapping[str, Any]) -> tuple[Diagnosis, Circumstances]:
    """Raises `CannotRecall`."""
    try:
        return _diagnosis(result), _circumstances(result.get("recorded"))
    except (KeyError, ValueError, TypeError, AttributeError) as why:
        reason = f"{type(why).__name__}: {why}"
        raise CannotRecall(f"another version of KAI wrote this result ({reason}); -o json shows it as it is") from why


def _diagnosis(it: Mapping[str, Any]) -> Diagnosis:
    took = it["timings"]["sensors"]
    return Diagnosis(
        investigation_id=it["investigation_id"],
        flow=it["flow"],
        target=_target(it["target"]),
        root_cause=it["root_cause"],
        cause_class=it["cause_class"],
        component=_component(it["affected_component"]),
        confidence=it["confidence"],
        coverage=it["coverage"],
        decided_by=it["decided_by"],
        reasoning=it["reasoning"],
        evidence={each["id"]: _evidence(each, took) for each in it["evidence"]},
        layers=tuple(map(_layer, it["layers"])),
        findings=tuple((_finding(each, it), tuple(each["evidence"])) for each in it["findings"]),
        recommended_action=it["recommended_action"],
        fix=_fix(it["fix"]),
        alternatives=tuple(map(_fix, it["alternatives"])),
        doubts=tuple(Doubt(each["rule"], each["why"]) for each in it["doubts"]),
        total_ms=it["timings"]["total_ms"],
        hubble_command=it["hubble_command"],
    )


def _target(it: Mapping[str, Any]) -> Target:
    peer = host_port(it["to"]) if it["to"] else None
    return Target(it["pod"], it["namespace"], *((peer.host, peer.port, peer.protocol) if peer else ()))


def _component(it: Mapping[str, str] | None) -> Component | None:
    return None if it is None else Component(it["kind"], it["namespace"], it["name"])


def _evidence(it: Mapping[str, Any], took: Mapping[str, float]) -> Evidence:
    sight, ms = Sight(it["sight"]), took.get(it["sensor"], 0.0)
    if sight is Sight.SEEN:
        return Evidence(it["sensor"], sight, Told(it["summary"], it["facts"]), took_ms=ms)
    return Evidence(it["sensor"], sight, why=it["summary"], took_ms=ms)


def _layer(it: Mapping[str, Any]) -> LayerRow:
    return LayerRow(Layer(it["layer"]), LayerState(it["state"]), tuple(it["evidence"]), it["why"])


def _finding(it: Mapping[str, Any], result: Mapping[str, Any]) -> Finding:
    """What a root cause hides is written with the hidden ones; here it goes back to the root cause."""
    is_root = (it["cause_class"], it["cause"]) == (result["cause_class"], result["root_cause"])
    behind = {each["cause_class"] for each in result["findings"] if each["hidden_behind_root_cause"]}
    return Finding(
        cause_class=it["cause_class"],
        cause=it["cause"],
        component=_component(it["component"]),
        belief=it["belief"],
        because=it["because"],
        shown_by=(),
        recommendation=it["recommendation"],
        also_hides=frozenset(behind) if is_root else frozenset(),
    )


def _fix(it: Mapping[str, Any]) -> Fix:
    target = _component(it["target"])
    return Fix(
        kind=it["kind"],
        target=target,
        title=it["title"],
        patch=tuple(it["patch"]),
        inverse=tuple(it["inverse"]),
        kubectl=it["kubectl"],
        undo=it["undo"],
        proof=_proof(it["proof"], target),
        newly_allowed=tuple(it["newly_allowed"]),
        newly_denied=tuple(it.get("newly_denied", ())),
        refused=it["refused"],
        automatic=it["automatic"],
        disruptive=it["disruptive"],
        owner=it["owner"],
        notes=tuple(it["notes"]),
        also=tuple(map(_fix, it["also"])),
    )


def _proof(it: Mapping[str, Any], target: Component | None) -> Proof | None:
    """Zeros stand for "nothing was there to replay" with a policy, and for "cannot be replayed" with anything else."""
    counts = (it["replayed"], it["denied_before"], it["allowed_after"], it["undecidable"])
    if not any(counts) and not it["words"] and not (target and target.kind.endswith("Policy")):
        return None
    return Proof(*counts, tuple(it["words"]))


def _circumstances(it: Mapping[str, Any] | None) -> Circumstances:
    if not it:
        return Circumstances()
    at = datetime.fromisoformat(it["at"]) if it["at"] else None
    return Circumstances(at, it["case"], it["synthetic"])
