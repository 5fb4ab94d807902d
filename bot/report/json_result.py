"""The diagnosis as JSON, both ways: for tools, tickets and the store, and back into a diagnosis to report again.

The shape is published: docs/schema/diagnosis.v1.schema.json. `decode(encode(it))` is `told(it)`: the same diagnosis,
with the facts as far as they are reported and the requests to the fix builders by name. Its report says the same words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from bot.report import explanation_json
from bot.report.outline import ledger
from flows.causes import Layer, Stage
from flows.model import (
    AlsoAffected,
    Component,
    Diagnosis,
    Doubt,
    Finding,
    Fix,
    JsonPatchFix,
    LayerRow,
    LayerState,
    LookCommand,
    ManifestFix,
    NoFix,
    Proof,
    Provenance,
    Recorded,
    RecordedCase,
)
from sensors.kit import Evidence, Sight, Target
from sensors.kit.catalog import sensors
from sensors.kit.reported import RecordedFacts, reported, rfc3339

API_VERSION = "kai.v1"
_UNSAFE = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
"""What a terminal or an editor might obey: it is written as an escape, which reads back as the same character."""


class CannotDecode(ValueError):
    """The result has another shape: another version of KAI wrote it. The message is one line."""


def render(it: Diagnosis) -> str:
    """The result as indented JSON with a final line break."""
    text = json.dumps(encode(it), indent=2, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def told(it: Diagnosis) -> Diagnosis:
    """The diagnosis as its JSON holds it: eight layers, the facts that are reported, figures as they are written."""
    return replace(
        it,
        confidence=round(it.confidence, 3),
        coverage=round(it.coverage, 3),
        evidence={key: _told_evidence(each) for key, each in it.evidence.items()},
        layers=ledger(it),
        findings=tuple((_told_finding(each), ids) for each, ids in it.findings),
        total_ms=round(it.total_ms, 1),
    )


def _told_evidence(it: Evidence) -> Evidence:
    facts = RecordedFacts(it.summary, reported(it)) if it.facts is not None else None
    return replace(it, facts=facts, why="" if facts else it.why, took_ms=round(it.took_ms, 1))


def _told_finding(it: Finding) -> Finding:
    known = facts_types()
    remedy = Recorded(_kind_of(it.remedy)) if it.remedy is not None else None
    return replace(it, shown_by=tuple(each for each in it.shown_by if each.__name__ in known), remedy=remedy)


def _kind_of(remedy: object) -> str:
    return remedy.kind if isinstance(remedy, Recorded) else type(remedy).__name__


PEER = ("host", "port", "protocol")


@cache
def facts_types() -> Mapping[str, type]:
    """Facts of the sensors, by the name that a result uses for it."""
    return {each.gives.__name__: each.gives for each in sensors().values()}


# -- out -------------------------------------------------------------------------------------------------------------


def encode(it: Diagnosis) -> dict[str, Any]:
    """Every key is always there; what does not exist is null, what is none is empty."""
    return {
        "investigation_id": it.investigation_id,
        "flow": it.flow,
        "target": _target_out(it.target),
        "root_cause": it.root_cause,
        "cause_class": it.cause_class,
        "affected_component": _component_out(it.component),
        "confidence": round(it.confidence, 3),
        "coverage": round(it.coverage, 3),
        "decided_by": it.decided_by,
        "reasoning": it.reasoning,
        "evidence": [_evidence_out(key, each) for key, each in it.evidence.items()],
        "layers": [_layer_out(row) for row in ledger(it)],
        "findings": [_finding_out(each, ids, it) for each, ids in it.findings],
        "recommended_action": it.recommended_action,
        "fix": _fix_out(it.fix),
        "timings": _timings_out(it),
        "hubble_command": it.hubble_command,
        "look_for_yourself": [{"command": each.command, "shows": each.shows} for each in it.looks],
        "also_affected": _affected_out(it.also_affected),
        "alternatives": [_fix_out(each) for each in it.alternatives],
        "doubts": [{"rule": each.rule, "why": each.why} for each in it.doubts],
        "recorded": _recording_out(it.provenance.recording),
        "provenance": _provenance_out(it),
        "explanation": explanation_json.out(it.explanation),
        "apiVersion": API_VERSION,
    }


def _affected_out(it: AlsoAffected | None) -> dict[str, Any] | None:
    if it is None:
        return None
    return {"pods": list(it.pods), "workloads": list(it.workloads), "packets_dropped": it.packets}


def _target_out(it: Target) -> dict[str, Any]:
    return {"pod": it.pod, "namespace": it.namespace, "to": it.to}


def _provenance_out(it: Diagnosis) -> dict[str, Any]:
    """`peer` holds the parts of the target's `to`, so that nobody has to take it apart again."""
    peer = None if it.target.peer == (None, None, None) else dict(zip(PEER, it.target.peer, strict=True))
    return {
        "at": _moment_out(it.provenance.at),
        "cluster": it.provenance.cluster,
        "name": it.provenance.name or None,
        "peer": peer,
    }


def _component_out(it: Component | None) -> dict[str, str] | None:
    return None if it is None else {"kind": it.kind, "namespace": it.namespace, "name": it.name}


def _evidence_out(key: str, it: Evidence) -> dict[str, Any]:
    return {
        "id": key,
        "sensor": it.sensor,
        "sight": it.sight.value,
        "summary": it.summary,
        "facts": reported(it),
    }


def _layer_out(row: LayerRow) -> dict[str, Any]:
    return {"layer": row.layer.value, "state": row.state.value, "evidence": list(row.evidence), "why": row.why}


def _finding_out(it: Finding, ids: tuple[str, ...], diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "cause_class": it.cause_class,
        "stage": it.stage.name.lower(),
        "cause": it.cause,
        "belief": it.belief,
        "because": it.because,
        "evidence": list(ids),
        "component": _component_out(it.component),
        "recommendation": it.recommendation,
        "hidden_behind_root_cause": diagnosis.is_hidden(it),
        "also_hides": sorted(it.also_hides),
        "shown_by": [each.__name__ for each in it.shown_by],
        "remedy": _kind_of(it.remedy) if it.remedy is not None else None,
    }


def _fix_out(it: Fix) -> dict[str, Any]:
    return {
        "id": it.id,
        "kind": it.kind,
        "target": _component_out(it.target),
        "uid": it.uid if isinstance(it, JsonPatchFix) else "",
        "resource_version": it.resource_version if isinstance(it, JsonPatchFix) else "",
        "patch": _whole(it.patch),
        "inverse": _whole(it.inverse),
        "kubectl": it.kubectl,
        "proof": _proof_out(it.proof),
        "newly_allowed": list(it.newly_allowed),
        "newly_denied": list(it.newly_denied),
        "refused": it.refused,
        "title": it.title,
        "undo": it.undo,
        "automatic": it.automatic,
        "disruptive": it.disruptive,
        "owner": it.owner,
        "notes": list(it.notes),
        "also": [_fix_out(each) for each in it.also],
    }


def _whole(value: Any) -> Any:
    """A patch is what a machine will apply: never shortened, never cleaned."""
    if isinstance(value, Mapping):
        return {str(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value


def _proof_out(it: Proof | None) -> dict[str, Any]:
    """`replayable` is false where the change is of a kind that cannot be replayed; the figures are zeros then."""
    known = it or Proof()
    return {
        "replayable": it is not None,
        "replayed": known.replayed,
        "denied_before": known.denied_before,
        "allowed_after": known.allowed_after,
        "undecidable": known.undecidable,
        "words": list(known.words),
    }


def _timings_out(it: Diagnosis) -> dict[str, Any]:
    by_sensor = {each.sensor: round(each.took_ms, 1) for each in it.evidence.values()}
    by_look = {key: round(each.took_ms, 1) for key, each in it.evidence.items()}
    return {"total_ms": round(it.total_ms, 1), "sensors": by_sensor, "evidence": by_look}


def _recording_out(it: RecordedCase | None) -> dict[str, Any] | None:
    return None if it is None else {"case": it.name, "at": _moment_out(it.at), "synthetic": it.synthetic}


def _moment_out(it: datetime | None) -> str | None:
    return None if it is None else rfc3339(it)


# -- in --------------------------------------------------------------------------------------------------------------


def decode(it: Mapping[str, Any]) -> Diagnosis:
    """The diagnosis of a result. Raises `CannotDecode`."""
    try:
        if it["apiVersion"] != API_VERSION:
            raise ValueError(f"apiVersion is {it['apiVersion']!r}")
        return _diagnosis_in(it)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as why:
        reason = f"{type(why).__name__}: {why}".replace("\n", " ")
        raise CannotDecode(f"another version of KAI wrote this result ({reason}); -o json shows it as it is") from why


def _diagnosis_in(it: Mapping[str, Any]) -> Diagnosis:
    return Diagnosis(
        investigation_id=it["investigation_id"],
        flow=it["flow"],
        target=Target(it["target"]["pod"], it["target"]["namespace"], *_peer_in(it["provenance"]["peer"])),
        confidence=it["confidence"],
        coverage=it["coverage"],
        decided_by=it["decided_by"],
        reasoning=it["reasoning"],
        evidence={each["id"]: _evidence_in(each, it["timings"]["evidence"]) for each in it["evidence"]},
        layers=tuple(map(_layer_in, it["layers"])),
        findings=tuple((_finding_in(each), tuple(each["evidence"])) for each in it["findings"]),
        fix=_fix_in(it["fix"]),
        alternatives=tuple(map(_fix_in, it["alternatives"])),
        doubts=tuple(Doubt(each["rule"], each["why"]) for each in it["doubts"]),
        total_ms=it["timings"]["total_ms"],
        hubble_command=it["hubble_command"],
        provenance=_provenance_in(it["provenance"], it["recorded"]),
        explanation=explanation_json.read(it.get("explanation")),
        also_affected=_affected_in(it.get("also_affected")),
        looks=tuple(LookCommand(each["command"], each["shows"]) for each in it.get("look_for_yourself", ())),
    )


def _affected_in(it: Mapping[str, Any] | None) -> AlsoAffected | None:
    return None if it is None else AlsoAffected(tuple(it["pods"]), tuple(it["workloads"]), it["packets_dropped"])


def _peer_in(it: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return () if it is None else tuple(it[each] for each in PEER)


def _component_in(it: Mapping[str, str] | None) -> Component | None:
    return None if it is None else Component(it["kind"], it["namespace"], it["name"])


def _evidence_in(it: Mapping[str, Any], took: Mapping[str, float]) -> Evidence:
    sight, took_ms = Sight(it["sight"]), took[it["id"]]
    if sight is Sight.SEEN:
        return Evidence(it["sensor"], sight, RecordedFacts(it["summary"], it["facts"]), took_ms=took_ms)
    return Evidence(it["sensor"], sight, why=it["summary"], took_ms=took_ms)


def _layer_in(it: Mapping[str, Any]) -> LayerRow:
    return LayerRow(Layer(it["layer"]), LayerState(it["state"]), tuple(it["evidence"]), it["why"])


def _finding_in(it: Mapping[str, Any]) -> Finding:
    known = facts_types()
    return Finding(
        cause_class=it["cause_class"],
        cause=it["cause"],
        component=_component_in(it["component"]),
        belief=it["belief"],
        because=it["because"],
        shown_by=tuple(known[each] for each in it["shown_by"] if each in known),
        recommendation=it["recommendation"],
        remedy=Recorded(it["remedy"]) if it["remedy"] is not None else None,
        also_hides=frozenset(it["also_hides"]),
        at=Stage[it["stage"].upper()] if "stage" in it else None,  # older results do not say
    )


def _fix_in(it: Mapping[str, Any]) -> Fix:
    """Raises `ValueError` for a fix whose id is not that of its content: it was changed where it was kept."""
    fix = _change_in(it)
    if fix.id != it["id"]:
        raise ValueError(f"fix {it['id']} is not what its id says")
    return fix


def _change_in(it: Mapping[str, Any]) -> Fix:
    if it["kind"] == NoFix.kind:
        return NoFix(**_terms_in(it))
    target = Component(it["target"]["kind"], it["target"]["namespace"], it["target"]["name"])
    if it["kind"] == ManifestFix.kind:
        return ManifestFix(target=target, manifest=it["patch"][0], **_terms_in(it))
    if it["kind"] != JsonPatchFix.kind:
        raise ValueError(f"there is no fix of kind {it['kind']!r}")
    patch, inverse, version = tuple(it["patch"]), tuple(it["inverse"]), it["resource_version"]
    return JsonPatchFix(
        target=target, patch=patch, inverse=inverse, uid=it["uid"], resource_version=version, **_terms_in(it)
    )


def _terms_in(it: Mapping[str, Any]) -> dict[str, Any]:
    """Terms of every fix, whatever its kind."""
    lists = {name: tuple(it[name]) for name in ("newly_allowed", "newly_denied", "notes")}
    same = {name: it[name] for name in ("title", "kubectl", "undo", "refused", "automatic", "disruptive", "owner")}
    return {**same, **lists, "proof": _proof_in(it["proof"]), "also": tuple(map(_fix_in, it["also"]))}


def _proof_in(it: Mapping[str, Any]) -> Proof | None:
    if not it["replayable"]:
        return None
    return Proof(it["replayed"], it["denied_before"], it["allowed_after"], it["undecidable"], tuple(it["words"]))


def _provenance_in(it: Mapping[str, Any], recorded: Mapping[str, Any] | None) -> Provenance:
    recording = None
    if recorded is not None:
        recording = RecordedCase(recorded["case"], _moment_in(recorded["at"]), recorded["synthetic"])
    return Provenance(_moment_in(it["at"]), recording, it["cluster"], it.get("name") or "")


def _moment_in(it: str | None) -> datetime | None:
    return None if it is None else datetime.fromisoformat(it)
