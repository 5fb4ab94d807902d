"""A stored JSON result read back as the diagnosis it was, so that it is told in the same words days later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.report import Circumstances
from flows.causes import CAUSES, Layer
from flows.model import Component, Diagnosis, Doubt, Finding, Fix, LayerRow, LayerState, Proof
from sensors.kit import Evidence, Sight, Target
from sensors.kit.casefolder import split_door

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Facts as they were written down: the sentence, and the plain values."""

    sentence: str
    values: Json = field(default_factory=dict)

    def summary(self) -> str:
        return self.sentence


class Unreadable(ValueError):
    """The stored result has not the published shape. The message is one line."""


def diagnosis_of(result: Json) -> tuple[Diagnosis, Circumstances]:
    """The diagnosis that a result was written from, without what only rules need. Raises `Unreadable`."""
    try:
        return _diagnosis(result), _circumstances(result.get("recorded"))
    except (KeyError, TypeError, ValueError, AttributeError) as why:
        raise Unreadable(f"the stored result cannot be read: {type(why).__name__}: {why}") from why


def _diagnosis(it: Json) -> Diagnosis:
    return Diagnosis(
        investigation_id=str(it["investigation_id"]),
        flow=str(it["flow"]),
        target=_target(it["target"]),
        root_cause=str(it["root_cause"]),
        cause_class=str(it["cause_class"]),
        component=_component(it["affected_component"]),
        confidence=float(it["confidence"]),
        coverage=float(it["coverage"]),
        decided_by=str(it["decided_by"]),
        reasoning=str(it["reasoning"]),
        evidence={str(each["id"]): _evidence(each, it["timings"]["sensors"]) for each in it["evidence"]},
        layers=tuple(_layers(it["layers"])),
        findings=tuple(_findings(it)),
        recommended_action=str(it["recommended_action"]),
        fix=_fix(it["fix"]),
        alternatives=tuple(_fix(each) for each in it.get("alternatives", ())),
        doubts=tuple(Doubt(str(each["rule"]), str(each["why"])) for each in it.get("doubts", ())),
        total_ms=float(it["timings"]["total_ms"]),
        hubble_command=str(it["hubble_command"]),
    )


def _target(it: Json) -> Target:
    host, port = split_door(str(it["to"])) if it.get("to") else (None, None)
    return Target(str(it["pod"]), str(it["namespace"]), host, port)


def _component(it: Json | None) -> Component | None:
    return None if it is None else Component(str(it["kind"]), str(it["namespace"]), str(it["name"]))


def _evidence(it: Json, took: Json) -> Evidence:
    sight, summary, sensor = Sight(it["sight"]), str(it["summary"]), str(it["sensor"])
    ms = float(took.get(sensor, 0.0))
    if sight is Sight.SEEN:
        return Evidence(sensor, sight, Told(summary, it.get("facts") or {}), took_ms=ms)
    return Evidence(sensor, sight, why=summary, took_ms=ms)


def _layers(rows: list[Json]) -> Iterator[LayerRow]:
    for each in rows:
        evidence = tuple(str(one) for one in each["evidence"])
        yield LayerRow(Layer(each["layer"]), LayerState(each["state"]), evidence, str(each["why"]))


def _findings(it: Json) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """What hid what is kept with the root cause alone; classes that this version no longer knows are left out."""
    hidden = frozenset(str(each["cause_class"]) for each in it["findings"] if each.get("hidden_behind_root_cause"))
    for each in it["findings"]:
        name = str(each["cause_class"])
        if name in CAUSES:
            hides = hidden if name == it["cause_class"] else frozenset()
            yield _finding(each, hides), tuple(str(one) for one in each["evidence"])


def _finding(it: Json, hides: frozenset[str]) -> Finding:
    return Finding(
        cause_class=str(it["cause_class"]),
        cause=str(it["cause"]),
        component=_component(it.get("component")),
        belief=float(it["belief"]),
        because=str(it["because"]),
        shown_by=(),
        recommendation=str(it.get("recommendation") or ""),
        hides=hides,
    )


def _fix(it: Json, *, part: bool = False) -> Fix:
    proof = Proof(
        *(int(it["proof"][name]) for name in ("replayed", "denied_before", "allowed_after", "undecidable")),
        words=tuple(str(each) for each in it["proof"].get("words", ())),
    )
    tried = proof if proof != Proof() or (_changes_policies(it) and not part) else None
    return Fix(
        kind=str(it["kind"]),
        target=_component(it["target"]),
        title=str(it.get("title") or ""),
        patch=tuple(it["patch"]),
        inverse=tuple(it["inverse"]),
        kubectl=str(it["kubectl"]),
        undo=str(it.get("undo") or ""),
        proof=tried,
        newly_allowed=tuple(str(each) for each in it["newly_allowed"]),
        refused=None if it["refused"] is None else str(it["refused"]),
        automatic=bool(it.get("automatic")),
        disruptive=bool(it.get("disruptive")),
        owner=None if it.get("owner") is None else str(it["owner"]),
        notes=tuple(str(each) for each in it.get("notes", ())),
        also=tuple(_fix(each, part=True) for each in it.get("also", ())),
    )


def _changes_policies(it: Json) -> bool:
    """An empty proof is written both for "nothing to replay" and for "no policy, so nothing to prove".

    The parts of a fix that needs several patches are proved together, by the first.
    """
    return "Policy" in str((it["target"] or {}).get("kind", ""))


def _circumstances(it: Json | None) -> Circumstances:
    if it is None:
        return Circumstances()
    at = datetime.fromisoformat(str(it["at"])) if it.get("at") else None
    return Circumstances(at, str(it["case"]), bool(it["synthetic"]))
