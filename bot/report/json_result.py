"""The diagnosis as JSON, for tools and tickets. The shape is published: docs/schema/diagnosis.v1.schema.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.report import Circumstances
from bot.report.facts import rfc3339, to_json
from bot.report.outline import hidden_behind, ledger, root_of
from flows.model import Component, Diagnosis, Doubt, Finding, Fix, LayerRow, Proof
from sensors.kit import Evidence

_UNSAFE = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
"""What a terminal or an editor might obey: it is written as an escape, which reads back as the same character."""


def render(diagnosis: Diagnosis, circumstances: Circumstances) -> str:
    """The result as indented JSON with a final line break."""
    text = json.dumps(result(diagnosis, circumstances), indent=2, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def result(diagnosis: Diagnosis, circumstances: Circumstances) -> dict[str, Any]:
    """Every key is always there; what does not exist is null, what is none is empty."""
    it = diagnosis
    return {
        "investigation_id": it.investigation_id,
        "flow": it.flow,
        "target": {"pod": it.target.pod, "namespace": it.target.namespace, "to": it.target.to},
        "root_cause": it.root_cause,
        "cause_class": it.cause_class,
        "affected_component": _component(it.component),
        "confidence": round(it.confidence, 3),
        "coverage": round(it.coverage, 3),
        "decided_by": it.decided_by,
        "reasoning": it.reasoning,
        "evidence": [_evidence(key, each) for key, each in it.evidence.items()],
        "layers": [_layer(row) for row in ledger(it)],
        "findings": [_finding(each, ids, it) for each, ids in it.findings],
        "recommended_action": it.recommended_action,
        "fix": _fix(it.fix),
        "timings": {
            "total_ms": round(it.total_ms, 1),
            "sensors": {each.sensor: round(each.took_ms, 1) for each in it.evidence.values()},
        },
        "hubble_command": it.hubble_command,
        "alternatives": [_fix(each) for each in it.alternatives],
        "doubts": [_doubt(each) for each in it.doubts],
        "recorded": _recorded(circumstances),
    }


def _component(component: Component | None) -> dict[str, str] | None:
    if component is None:
        return None
    return {"kind": component.kind, "namespace": component.namespace, "name": component.name}


def _evidence(key: str, evidence: Evidence) -> dict[str, Any]:
    return {
        "id": key,
        "sensor": evidence.sensor,
        "sight": evidence.sight.value,
        "summary": evidence.summary,
        "facts": _facts(evidence.facts),
    }


def _facts(facts: object) -> dict[str, Any]:
    if facts is None:
        return {}
    plain = to_json(facts)
    return plain if isinstance(plain, dict) else {"value": plain}


def _layer(row: LayerRow) -> dict[str, Any]:
    return {"layer": row.layer.value, "state": row.state.value, "evidence": list(row.evidence), "why": row.why}


def _finding(finding: Finding, ids: tuple[str, ...], diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "cause_class": finding.cause_class,
        "cause": finding.cause,
        "belief": round(finding.belief, 3),
        "because": finding.because,
        "evidence": list(ids),
        "component": _component(finding.component),
        "recommendation": finding.recommendation,
        "hidden_behind_root_cause": hidden_behind(finding, root_of(diagnosis)),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "kind": fix.kind,
        "target": _component(fix.target),
        "patch": _operations(fix.patch),
        "inverse": _operations(fix.inverse),
        "kubectl": fix.kubectl,
        "proof": _proof(fix.proof or Proof()),
        "newly_allowed": list(fix.newly_allowed),
        "newly_denied": list(fix.newly_denied),
        "refused": fix.refused,
        "title": fix.title,
        "undo": fix.undo,
        "automatic": fix.automatic,
        "disruptive": fix.disruptive,
        "owner": fix.owner,
        "notes": list(fix.notes),
        "also": [_fix(each) for each in fix.also],
    }


def _operations(patch: tuple[Mapping[str, Any], ...]) -> list[Any]:
    """A patch is what a machine will apply: never shortened, never cleaned."""
    return [_whole(each) for each in patch]


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "replayed": proof.replayed,
        "denied_before": proof.denied_before,
        "allowed_after": proof.allowed_after,
        "undecidable": proof.undecidable,
        "words": list(proof.words),
    }


def _doubt(doubt: Doubt) -> dict[str, str]:
    return {"rule": doubt.rule, "why": doubt.why}


def _recorded(circumstances: Circumstances) -> dict[str, Any] | None:
    if not circumstances.case:
        return None
    at = circumstances.recorded_at
    return {"case": circumstances.case, "at": rfc3339(at) if at else None, "synthetic": circumstances.synthetic}
