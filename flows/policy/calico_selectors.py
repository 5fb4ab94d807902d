"""Calico's selector language, as far as it says what label selectors say: conditions on labels, joined by &&.

Source: projectcalico/calico `libcalico-go/lib/selector`. `||`, brackets, negations of more than `has()`, and tests of
parts of a word are not read here. A `!=` and a `not in` also hold for what lacks the label, as in Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flows.policy.reading import NotUnderstood
from flows.policy.selectors import EVERYTHING, Requirement, Selector

NAMESPACE = "projectcalico.org/namespace"
NAMESPACE_NAME = "kubernetes.io/metadata.name"
_NAMES = ("projectcalico.org/name", NAMESPACE)
_INHERITED = ("pcns.", "pcsa.", "projectcalico.org/")
"""Labels that an endpoint has from elsewhere: its namespace, its service account, Calico itself."""

_KEY = r"(?P<key>[\w./-]{1,350})"
_WORD = r"(?:'[^']{0,253}'|\"[^\"]{0,253}\")"
_EQUALS = re.compile(rf"{_KEY}\s*(?P<operator>==|!=)\s*(?P<value>{_WORD})")
_AMONG = re.compile(rf"{_KEY}\s+(?P<not>not\s+)?in\s*\{{\s*(?P<values>{_WORD}(?:\s*,\s*{_WORD})*)\s*\}}")
_HAS = re.compile(rf"(?P<not>!\s*)?has\(\s*{_KEY}\s*\)")


@dataclass(frozen=True, slots=True)
class SelectorScope:
    """Pods that a selector means: pods by their own labels, and, where it speaks of them, their namespaces."""

    pods: Selector = EVERYTHING
    namespaces: Selector | None = None


def parse_chosen(text: str, path: str) -> SelectorScope:
    """A selector over endpoints. Raises `NotUnderstood` on any word that is not read here."""
    found = tuple(_requirements(text, path))
    spaces = tuple(_of_namespace(each) for each in found if each.key == NAMESPACE)
    own = tuple(each for each in found if each.key != NAMESPACE)
    foreign = next((each.key for each in own if each.key.startswith(_INHERITED)), None)
    if foreign is not None:
        raise NotUnderstood(path, f"the label {foreign} is not a pod's own")
    return SelectorScope(Selector(own), Selector(spaces) if spaces else None)


def parse_namespaces(text: str, path: str) -> Selector:
    """A selector over namespaces."""
    return Selector(tuple(_of_namespace(each) if each.key in _NAMES else each for each in _requirements(text, path)))


def _of_namespace(each: Requirement) -> Requirement:
    return Requirement(NAMESPACE_NAME, each.operator, each.values, each.path)


def _requirements(text: str, path: str) -> Iterator[Requirement]:
    for part in map(str.strip, text.split("&&")):
        if part not in ("", "all()"):
            yield _requirement(part, path)


def _requirement(part: str, path: str) -> Requirement:
    if found := _EQUALS.fullmatch(part):
        return Requirement(found["key"], "In" if found["operator"] == "==" else "NotIn", (found["value"][1:-1],), path)
    if found := _AMONG.fullmatch(part):
        values = tuple(each[1:-1] for each in re.findall(_WORD, found["values"]))
        return Requirement(found["key"], "NotIn" if found["not"] else "In", values, path)
    if found := _HAS.fullmatch(part):
        return Requirement(found["key"], "DoesNotExist" if found["not"] else "Exists", (), path)
    raise NotUnderstood(path, f"the selector {part[:60]!r} is not read here")
