"""From findings to one diagnosis: which cause comes first, how sure we are, and what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flows.belief import DOUBTED, NO_RIVAL, ROOT_CAUSE_FROM
from flows.causes import CAUSES, Layer
from flows.coverage import coverage_of_cause
from flows.denials.affected import also_affected
from flows.fixes.build import build
from flows.ledger import ledger
from flows.load import Flow
from flows.looks import hubble_command, looks
from flows.model import NO_FIX, Case, Diagnosis, Doubt, Finding, Provenance, RecordedCase
from flows.unexplained import blind_looks, known, next_look
from sensors.kit import Sensor
from sensors.text import capital

WITHOUT_DROPS = frozenset({"policy.l7_denied", "policy.not_enforced"})


def conclude(
    case: Case,
    flow: Flow,
    sensors: Mapping[str, Sensor],
    findings: Sequence[Finding],
    doubts: Sequence[Doubt],
    investigation_id: str,
    recording: RecordedCase | None = None,
) -> Diagnosis:
    """Name exactly one root cause, or say honestly that none is shown, and what to measure next.

    The time that all took is for the walk to say.
    """
    ordered = rank(findings)
    root = ordered[0] if ordered and is_root(ordered[0], ordered) else inconclusive(case, ordered, doubts)
    coverage = coverage_of_cause(case, root, sensors)
    fixes = build(root, case)
    return Diagnosis(
        investigation_id=investigation_id,
        flow=flow.id,
        target=case.target,
        confidence=round(min(root.belief, coverage), 2),
        coverage=round(coverage, 2),
        decided_by="rules",
        reasoning=_reasoning(root, ordered),
        evidence=case.evidence,
        layers=ledger(case, sensors, root, ordered, doubts),
        findings=tuple((each, evidence_ids(case, each)) for each in _with_root(root, ordered)),
        fix=fixes[0] if fixes else NO_FIX,
        alternatives=tuple(fixes[1:]),
        doubts=tuple(doubts),
        total_ms=0.0,
        hubble_command=hubble_command(case, root.cause_class),
        provenance=Provenance(case.at, recording, _cluster(case), case.environment.name or ""),
        looks=looks(case, root),
        also_affected=also_affected(case, root.component) if _drops_packets(root) else None,
    )


def _drops_packets(root: Finding) -> bool:
    """Checks whether it is a policy whose refusals are dropped packets: a proxy answers instead."""
    cause = CAUSES.get(root.cause_class)
    return cause is not None and cause.layer is Layer.POLICY and cause.id not in WITHOUT_DROPS


def _cluster(case: Case) -> str:
    """The cluster in the words of its facts: `cilium 1.17.4, Kubernetes 1.33.1`."""
    it = case.environment
    kubernetes = f"Kubernetes {it.kubernetes}" if it.kubernetes else ""
    return ", ".join(filter(None, (f"{it.cni or ''} {it.cni_version or ''}".strip(), kubernetes)))


def rank(findings: Iterable[Finding]) -> list[Finding]:
    """The root cause first, then what else is believed along the path, then what is merely suspected.

    Earliest stage first among rivals, unless another rival says that it explains the finding.
    """
    known = sorted(findings, key=lambda each: (each.stage, -each.belief, each.cause_class, str(each.component)))
    best = max((each.belief for each in known), default=0.0)
    rivals = [each for each in known if each.belief >= max(ROOT_CAUSE_FROM, best - NO_RIVAL)]
    hidden = {name for each in rivals for name in each.hides}
    first = [each for each in rivals if each.cause_class not in hidden]
    behind = [each for each in rivals if each.cause_class in hidden]
    rest = sorted((each for each in known if each not in rivals), key=lambda each: -each.belief)
    return [*first, *behind, *rest]


def is_root(finding: Finding, among: Sequence[Finding]) -> bool:
    return finding in among and finding.belief >= ROOT_CAUSE_FROM


def evidence_ids(case: Case, finding: Finding) -> tuple[str, ...]:
    """The ids of what shows a finding, in the order the finding names it."""
    ids = (case.id_of(facts) for facts in finding.shown_by)
    return tuple(dict.fromkeys(each for each in ids if each))


def inconclusive(case: Case, findings: Sequence[Finding], doubts: Sequence[Doubt]) -> Finding:
    """No cause is shown. Say what stands in the way of a verdict, and what to measure next."""
    blind, facts = blind_looks(case), known(case)
    suspicion = f" Most suspected: {findings[0].cause}." if findings else ""
    first = f" {capital(facts[0])}." if facts else ""
    unmeasured = "; ".join(f"{each.sensor} ({each.why})" for each in blind)
    told = [*facts, *([f"not measured: {unmeasured}"] if blind else [])]
    return Finding(
        cause_class="inconclusive",
        cause=f"No cause is shown by what could be measured.{first}{suspicion}",
        component=None,
        belief=DOUBTED,
        because="; ".join(told) or "no check failed, and some could not be decided",
        shown_by=(),
        recommendation=next_look(case, blind),
    )


def _with_root(root: Finding, ordered: Sequence[Finding]) -> list[Finding]:
    return list(ordered) if root in ordered else [root, *ordered]


def _reasoning(root: Finding, ordered: Sequence[Finding]) -> str:
    others = [each for each in ordered if each is not root and each.belief >= ROOT_CAUSE_FROM]
    behind = [f"{each.cause_class} is hidden behind it" for each in others if each.is_hidden_by(root)]
    return "; ".join([root.because, *behind])


__all__ = ["conclude", "evidence_ids", "rank"]
