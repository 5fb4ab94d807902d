"""Finding of a rule in a case, and the rule itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flows.causes import CAUSES, EXPLAINS, Layer, Stage
from flows.model.case import Case
from flows.model.component import Component
from flows.model.remedy import Remedy
from sensors.kit import Sight


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding of one rule, with its reasons.

    `belief` is 0 to 1, in thousandths; `shown_by` names the facts types it rests on; `remedy` is the request to a fix
    builder (`flows.fixes`), None where no safe automatic change exists. `also_hides` lists cause classes that this one
    explains in this case, beyond what its class always explains (`flows.causes.EXPLAINS`). `at` is where on the path it
    blocks, where that is not the place of its class: the same mistake may stand at either end.
    """

    cause_class: str
    cause: str
    component: Component | None
    belief: float
    because: str
    shown_by: tuple[type, ...]
    recommendation: str = ""
    remedy: Remedy | None = None
    also_hides: frozenset[str] = frozenset()
    at: Stage | None = None

    def __post_init__(self) -> None:
        if self.cause_class not in CAUSES:
            raise ValueError(f"{self.cause_class!r} is not in the closed list of causes")
        if not 0.0 <= self.belief <= 1.0:
            raise ValueError(f"belief {self.belief} is not between 0 and 1")
        # the digits behind a product of levels are no knowledge
        object.__setattr__(self, "belief", round(self.belief, 3))
        if self.at is CAUSES[self.cause_class].stage:
            object.__setattr__(self, "at", None)

    @property
    def hides(self) -> frozenset[str]:
        """The cause classes this one explains: such findings stay in the report, marked as hidden behind it."""
        return EXPLAINS.get(self.cause_class, frozenset()) | self.also_hides

    def is_hidden_by(self, root: Finding) -> bool:
        """Must `root` be mended before this finding can be seen to matter?"""
        return self is not root and (self.cause_class in root.hides or self.stage > root.stage)

    @property
    def stage(self) -> Stage:
        return CAUSES[self.cause_class].stage if self.at is None else self.at

    @property
    def layer(self) -> Layer | None:
        return CAUSES[self.cause_class].layer


@dataclass(frozen=True, slots=True)
class Rule:
    """A plug-in that judges: facts in, a finding (or several, or none) out. `causes` are the classes it may name.

    `needs` are the facts without which it cannot tell: `of` lets `Missing` fly where one is not there, before `judge`
    is asked; `also_needs` are those which only some cases can have. What only refines a finding is no need: `judge`
    asks for that with `case.get`. `moot_if_absent` are the sensors whose "there is none of it" leaves nothing to judge.
    """

    id: str
    judge: Callable[[Case], Finding | Iterable[Finding] | None]
    causes: tuple[str, ...]
    needs: tuple[type, ...]
    moot_if_absent: tuple[str, ...] = ()
    also_needs: Callable[[Case], tuple[type, ...]] = lambda _: ()

    def needs_of(self, case: Case) -> tuple[type, ...]:
        """Facts without which it cannot tell in this case."""
        return (*self.needs, *self.also_needs(case))

    def of(self, case: Case) -> list[Finding]:
        """Findings of the rule in a case. Raises `Missing` when it cannot tell."""
        if any(case.sight_of(each) is Sight.ABSENT for each in self.moot_if_absent):
            return []
        for each in self.needs_of(case):
            case[each]
        said = self.judge(case)
        return [said] if isinstance(said, Finding) else list(said or ())


@dataclass(frozen=True, slots=True)
class Doubt:
    """A rule that could not tell, and what it would have needed."""

    rule: str
    why: str
