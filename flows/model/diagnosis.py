"""The diagnosis: the answer of one investigation, whole. A report needs nothing besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flows.causes import Layer
from flows.model.component import Component
from flows.model.explanation import Explanation
from flows.model.finding import Doubt, Finding
from flows.model.fix import Fix
from sensors.kit import Evidence, Target
from sensors.text import counted


class LayerState(StrEnum):
    FAIL = "fail"
    PASS = "pass"  # noqa: S105 - a state, not a password
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One line of the ledger. `pass` is only ever said of what was measured."""

    layer: Layer
    state: LayerState
    evidence: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """A recorded case that was looked at instead of a cluster. `name` is the folder's; `at` is when it was recorded,
    None where nobody wrote that down. `synthetic`: a person wrote the facts by hand."""

    name: str
    at: datetime | None = None
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """Time and source of a diagnosis.

    `at` is the moment of the facts: the clock of the cluster, or of the recording. `recording` is None for a living
    cluster. `cluster` says what kind it is, by its network plug-in and the version of Kubernetes; `name` is what people
    call it; empty: not known.
    """

    at: datetime | None = None
    recording: RecordedCase | None = None
    cluster: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class AlsoAffected:
    """Other pods whose packets the same policy drops, as far back as Hubble remembers. `pods` are `namespace/pod`."""

    pods: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    packets: int = 0

    def __str__(self) -> str:
        """`6 pods of 3 workloads by the same policy (142 packets dropped)`; empty where there are none."""
        if not self.pods:
            return ""
        who = f"{counted(len(self.pods), 'pod')} of {counted(len(self.workloads), 'workload')}"
        return f"{who} by the same policy ({counted(self.packets, 'packet')} dropped)"


@dataclass(frozen=True, slots=True)
class LookCommand:
    """A command with which a person sees the cause without KAI, and what it shows, as a clause."""

    command: str
    shows: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer: one root cause, how sure, what shows it, what else was found, what was not measured, what to do.

    `findings` are in order, each with the ids of the evidence that shows it. The first is the root cause: there is
    always one, be it that nothing is wrong or that no cause is shown. `looks` show the root cause without KAI;
    `hubble_command` shows its traffic, and is empty where Hubble holds none of it. `explanation` is Claude's part.
    `also_affected`: None where no policy is the cause, or other pods' drops were not measured.
    """

    investigation_id: str
    flow: str
    target: Target
    confidence: float
    coverage: float
    decided_by: str
    reasoning: str
    evidence: Mapping[str, Evidence]
    layers: tuple[LayerRow, ...]
    findings: tuple[tuple[Finding, tuple[str, ...]], ...]
    fix: Fix
    alternatives: tuple[Fix, ...]
    doubts: tuple[Doubt, ...]
    total_ms: float
    hubble_command: str
    provenance: Provenance = Provenance()
    looks: tuple[LookCommand, ...] = ()
    explanation: Explanation | None = None
    also_affected: AlsoAffected | None = None

    def __post_init__(self) -> None:
        if not self.findings:
            raise ValueError("a diagnosis without a root cause")

    @property
    def root(self) -> Finding:
        return self.findings[0][0]

    @property
    def shown_by(self) -> tuple[str, ...]:
        """The ids of the evidence that shows the root cause."""
        return self.findings[0][1]

    @property
    def others(self) -> tuple[tuple[Finding, tuple[str, ...]], ...]:
        """Other findings, each with the ids of its evidence."""
        return self.findings[1:]

    @property
    def root_cause(self) -> str:
        return self.root.cause

    @property
    def cause_class(self) -> str:
        return self.root.cause_class

    @property
    def component(self) -> Component | None:
        return self.root.component

    @property
    def recommended_action(self) -> str:
        return self.root.recommendation

    @property
    def fault_found(self) -> bool:
        return self.cause_class not in ("none.healthy", "inconclusive")

    def is_hidden(self, finding: Finding) -> bool:
        """Must the root cause be mended before this finding can be seen to matter?"""
        return finding.is_hidden_by(self.root)
