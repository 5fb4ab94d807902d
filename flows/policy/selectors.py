"""Label selectors: do these labels match, and if not, which word is wrong?

Source: Kubernetes API ``LabelSelector`` (all requirements are ANDed; an empty selector matches everything; ``NotIn``
and ``DoesNotExist`` also match labels that lack the key).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from flows.policy.model import Miss, MissKind
from flows.policy.reading import Invalid, NotUnderstood, mapping, numbered, only, pointer, text, texts


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label, with its place in the policy."""

    key: str
    operator: str  # In, NotIn, Exists, DoesNotExist
    values: tuple[str, ...] = ()
    path: str = ""
    hidden: bool = False  # the datapath leaves this label out of identities: nobody carries it

    def met_by(self, value: str | None) -> bool:
        return _OPERATORS[self.operator](None if self.hidden else value, self.values)

    def __str__(self) -> str:
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        words = {"In": "in", "NotIn": "not in", "Exists": "exists", "DoesNotExist": "does not exist"}
        return f"{self.key} {words[self.operator]} {','.join(self.values)}".strip()

    def miss(self, labels: Mapping[str, str], kind: MissKind, who: str) -> Miss:
        """The reason why these labels do not meet it; ``who`` is "the pod" or "namespace shop"."""
        got = labels.get(self.key)
        near = self._spelling(labels)
        has = f"has {self.key}={got}" if got is not None else f"has no label {self.key}"
        if self.hidden and got is not None:
            has += " (which this datapath leaves out of identities)"
        why = f"{who} {has}, the rule wants {self}"
        return Miss(kind, why, self.path, self.key, self.values, "" if got is None else got, near)

    def _spelling(self, labels: Mapping[str, str]) -> int:
        """Distance in letters (1 to 3) of the label from the wanted one; 0 = not a matter of spelling."""
        got = labels.get(self.key)
        if got is not None:
            found = [spelling_distance(got, value) for value in self.values]
        else:
            found = [spelling_distance(key, self.key) for key, value in labels.items() if self.met_by(value)]
        close = [distance for distance in found if 0 < distance <= 3]
        return min(close, default=0)


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector; empty = everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        # a plain loop: this is the innermost step of every judgement
        for requirement in self.requirements:  # noqa: SIM110
            if not requirement.met_by(labels.get(requirement.key)):
                return False
        return True

    def misses(self, labels: Mapping[str, str], kind: MissKind, who: str) -> tuple[Miss, ...]:
        unmet = (r for r in self.requirements if not r.met_by(labels.get(r.key)))
        return tuple(requirement.miss(labels, kind, who) for requirement in unmet)

    @property
    def required(self) -> tuple[str, str] | None:
        """One label every match must carry, to index policies by."""
        for requirement in self.requirements:
            if requirement.operator == "In" and len(requirement.values) == 1:
                return requirement.key, requirement.values[0]
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements)) or "everything"


EVERYTHING = Selector()


def parse_selector(value: object, path: str, hides: Callable[[str], bool] = lambda key: False) -> Selector:
    """A ``LabelSelector`` as the API server returns it. ``hides`` names the labels the datapath leaves out of pods'
    identities. Raises ``NotUnderstood``."""
    selector = mapping(value, path)
    only(selector, ("matchLabels", "matchExpressions"), path)
    found = (*_labels(selector, path), *_expressions(selector, path))
    return Selector(tuple(replace(each, hidden=True) if hides(each.key) else each for each in found))


def _labels(selector: Mapping[str, object], path: str) -> Iterable[Requirement]:
    for key, value in mapping(selector.get("matchLabels"), f"{path}/matchLabels").items():
        place = f"{path}/matchLabels/{pointer(key)}"
        yield Requirement(text(key, place), "In", (text(value, place),), place)


def _expressions(selector: Mapping[str, object], path: str) -> Iterable[Requirement]:
    for place, item in numbered(selector.get("matchExpressions"), f"{path}/matchExpressions"):
        expression = mapping(item, place)
        only(expression, ("key", "operator", "values"), place)
        yield _checked(
            Requirement(
                text(expression.get("key"), f"{place}/key"),
                text(expression.get("operator"), f"{place}/operator"),
                texts(expression.get("values"), f"{place}/values"),
                place,
            )
        )


def _checked(requirement: Requirement) -> Requirement:
    if requirement.operator not in _OPERATORS:
        raise NotUnderstood(f"{requirement.path}/operator", f"the operator {requirement.operator!r} is not known")
    if not requirement.key:
        raise NotUnderstood(f"{requirement.path}/key", "the key is missing")
    if (requirement.operator in ("In", "NotIn")) is not bool(requirement.values):
        needs = "needs at least one value" if not requirement.values else "takes no values"
        raise Invalid(f"{requirement.path}/values", f"{requirement.operator} {needs}")
    return requirement


@lru_cache(maxsize=65536)  # a walk through many policies asks for the same few words again and again
def spelling_distance(left: str, right: str, limit: int = 3) -> int:
    """Letters to change, add or leave out (Levenshtein), with neighbours swapped counted as one; at most limit + 1."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return min(row[-1], limit + 1)


_OPERATORS: dict[str, Callable[[str | None, tuple[str, ...]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
}
