"""The nouns of thinking: a case of evidence, what a rule finds in it, and the diagnosis that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from flows.causes import CAUSES, EXPLAINS, Layer, Stage
from sensors.kit import Environment, Evidence, Sight, Target

F = TypeVar("F")


class Missing(Exception):
    """A rule asked for facts that no sensor brought: it cannot tell. `why` is the evidence's own reason."""

    def __init__(self, wanted: type, why: str) -> None:
        super().__init__(f"no {wanted.__name__}: {why}")
        self.wanted, self.why = wanted, why


@dataclass(frozen=True)
class Case:
    """All evidence of one investigation, asked for by type: `case[Conntrack]` is a `Conntrack` or raises `Missing`.

    `evidence` maps ids (`E1`, `E2`, … in the order of the flow's steps, whatever finished first) to evidence.
    """

    target: Target
    environment: Environment
    at: datetime
    evidence: Mapping[str, Evidence]
    derived: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __getitem__(self, wanted: type[F]) -> F:
        for each in self.evidence.values():
            if isinstance(each.facts, wanted):
                return each.facts
        raise Missing(wanted, self._why_not(wanted))

    def _why_not(self, wanted: type) -> str:
        """The blind sensor's own reason, where the sensor's module is the home of the facts asked for."""
        home = wanted.__module__.rpartition(".")[2]
        for each in self.evidence.values():
            if each.sensor.replace(".", "_") == home and each.facts is None:
                return f"{each.sensor} is {each.sight}: {each.why}"
        return "no sensor of this flow brings it"

    def get(self, wanted: type[F]) -> F | None:
        """The facts, or None where nobody saw them: for what merely refines a finding."""
        try:
            return self[wanted]
        except Missing:
            return None

    def id_of(self, wanted: type) -> str | None:
        """The evidence id that carries these facts."""
        return next((key for key, each in self.evidence.items() if isinstance(each.facts, wanted)), None)

    def sight_of(self, sensor: str) -> Sight | None:
        """How the look of a sensor ended; None when the flow did not ask it."""
        return next((each.sight for each in self.evidence.values() if each.sensor == sensor), None)

    def once(self, derive: Callable[[Case], F]) -> F:
        """What `derive` makes of this case, made once: rules share costly views such as the policy world."""
        if derive not in self.derived:
            self.derived[derive] = derive(self)
        result: F = self.derived[derive]
        return result


@dataclass(frozen=True, slots=True)
class Component:
    """The object a person must change. `namespace` is empty for what has none (Node, Namespace, External)."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule thinks, with its reasons.

    `belief` is 0 to 1; `shown_by` names the facts types it rests on; `remedy` is a typed request to a fix builder
    (`flows.fixes`), None where no safe automatic change exists. `also_hides` lists cause classes that this one explains
    in this case, beyond what its class always explains (`flows.causes.EXPLAINS`).
    """

    cause_class: str
    cause: str
    component: Component | None
    belief: float
    because: str
    shown_by: tuple[type, ...]
    recommendation: str = ""
    remedy: Any = None
    also_hides: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.cause_class not in CAUSES:
            raise ValueError(f"{self.cause_class!r} is not in the closed list of causes")
        if not 0.0 <= self.belief <= 1.0:
            raise ValueError(f"belief {self.belief} is not between 0 and 1")

    @property
    def hides(self) -> frozenset[str]:
        """The cause classes this one explains: such findings stay in the report, marked as hidden behind it."""
        return EXPLAINS.get(self.cause_class, frozenset()) | self.also_hides

    @property
    def stage(self) -> Stage:
        return CAUSES[self.cause_class].stage

    @property
    def layer(self) -> Layer | None:
        return CAUSES[self.cause_class].layer


Judgement = Finding | Iterable[Finding] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A plug-in that judges: facts in, a finding (or several, or none) out. `causes` are the classes it may name.

    `needs` are the facts without which it cannot tell: `of` lets `Missing` fly where one is not there, before `judge`
    is asked. What only refines a finding is no need: `judge` asks for that with `case.get`. `moot_if_absent` are the
    sensors whose "there is none of it" leaves nothing to judge.
    """

    id: str
    judge: Callable[[Case], Judgement]
    causes: tuple[str, ...]
    needs: tuple[type, ...]
    moot_if_absent: tuple[str, ...] = ()

    def of(self, case: Case) -> list[Finding]:
        """What the rule says of a case. Raises `Missing` when it cannot tell."""
        if any(case.sight_of(each) is Sight.ABSENT for each in self.moot_if_absent):
            return []
        for each in self.needs:
            case[each]
        said = self.judge(case)
        return [said] if isinstance(said, Finding) else list(said or ())


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
class Proof:
    """The observed denied connections, replayed through the policy set as it is and as it would be."""

    replayed: int = 0
    denied_before: int = 0
    allowed_after: int = 0
    undecidable: int = 0
    words: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.replayed > 0 and self.denied_before == self.allowed_after == self.replayed and not self.undecidable


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out: the patch, the way back, what it costs. `kind`: json-patch, manifest or none.

    `patch` are RFC 6902 operations for `target` (kind json-patch) or one manifest (kind manifest); `inverse` undoes it
    in the same form. `automatic` says that a person may approve it with one button; `refused` why nobody should.
    `newly_denied`: what it takes away, each with how often that was seen in use; more than ports that nobody serves is
    `refused`. `owner` names who would revert it (Argo CD, Flux, Helm). `also` are the other patches of a fix that
    needs several.
    """

    kind: str
    target: Component | None = None
    title: str = ""
    patch: tuple[Mapping[str, Any], ...] = ()
    inverse: tuple[Mapping[str, Any], ...] = ()
    kubectl: str = ""
    undo: str = ""
    proof: Proof | None = None
    newly_allowed: tuple[str, ...] = ()
    newly_denied: tuple[str, ...] = ()
    refused: str | None = None
    automatic: bool = False
    disruptive: bool = False
    owner: str | None = None
    notes: tuple[str, ...] = ()
    also: tuple[Fix, ...] = ()


NO_FIX = Fix("none")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A rule that could not tell, and what it would have needed."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer: one root cause, how sure, what shows it, what else was found, what was not measured, what to do."""

    investigation_id: str
    flow: str
    target: Target
    root_cause: str
    cause_class: str
    component: Component | None
    confidence: float
    coverage: float
    decided_by: str
    reasoning: str
    evidence: Mapping[str, Evidence]
    layers: tuple[LayerRow, ...]
    findings: tuple[tuple[Finding, tuple[str, ...]], ...]
    recommended_action: str
    fix: Fix
    alternatives: tuple[Fix, ...]
    doubts: tuple[Doubt, ...]
    total_ms: float
    hubble_command: str

    @property
    def fault_found(self) -> bool:
        return self.cause_class not in ("none.healthy", "inconclusive")
