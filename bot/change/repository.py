"""A fix of what Argo CD, Flux or Helm keeps, for its repository: a patch here would be reverted. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.approval.proposal import Json
from bot.change.marks import EXPIRES, PROPOSAL_ANNOTATION
from flows.fixes.change import component_of_object, manifest_text
from flows.model import Component, Fix, Proof

SERVER_ONLY = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"),
    *("selfLink", "ownerReferences"),
)
"""Of the metadata: what only the API server writes, and no repository holds."""

NOT_KEPT = ("kubectl.kubernetes.io/last-applied-configuration", PROPOSAL_ANNOTATION, EXPIRES)
"""Annotations that no repository holds."""


@dataclass(frozen=True, slots=True)
class ForRepository:
    """Change to make where the objects come from. `owners` keep them, `difference` is a unified diff of YAML."""

    title: str
    owners: tuple[str, ...]
    targets: tuple[Component, ...]
    difference: str
    proof: Proof | None = None


def is_for_repository(fix: Fix) -> bool:
    """Proved, refused by nothing, and of an object that somebody outside the cluster keeps."""
    every = (fix, *fix.also)
    ready = all(each.kind in ("json-patch", "manifest") and each.target and each.patch for each in every)
    proved = fix.proof is None or fix.proof.holds
    return ready and proved and not any(each.refused for each in every) and any(each.owner for each in every)


def for_repository(fix: Fix, changes: Iterable[tuple[Json | None, Json]]) -> ForRepository:
    """From the objects of now and as they would be; None: there is none yet."""
    every, pairs = (fix, *fix.also), list(changes)
    owners = tuple(dict.fromkeys(each.owner for each in every if each.owner))
    targets = tuple(component_of_object(after) for _, after in pairs)
    return ForRepository(fix.title, owners, targets, "\n".join(difference(*each) for each in pairs), fix.proof)


def difference(before: Json | None, after: Json, context: int = 3) -> str:
    """As `diff -u` says it, of the YAML that a repository would hold."""
    name = _file(component_of_object(after))
    old, new = ([] if before is None else _lines(before)), _lines(after)
    origin = "/dev/null" if before is None else f"a/{name}"
    return "\n".join(difflib.unified_diff(old, new, origin, f"b/{name}", lineterm="", n=context))


def _file(target: Component) -> str:
    """A name for the eye: where the file really is, only its owner knows."""
    words = (target.namespace, target.kind.lower(), target.name)
    return "-".join(each for each in words if each) + ".yaml"


def _lines(thing: Json) -> Sequence[str]:
    return manifest_text(cleaned(thing), width=10_000).splitlines()


def cleaned(thing: Json) -> dict[str, Any]:
    """The object as a person writes it: nothing that the API server adds."""
    meta = {key: each for key, each in _map(thing.get("metadata")).items() if key not in SERVER_ONLY}
    notes = {key: each for key, each in _map(meta.pop("annotations", None)).items() if key not in NOT_KEPT}
    rest = {key: each for key, each in thing.items() if key not in ("metadata", "status")}
    head: dict[str, Any] = {key: rest.pop(key) for key in ("apiVersion", "kind") if key in rest}
    return {**head, "metadata": {**meta, **({"annotations": notes} if notes else {})}, **rest}


def _map(value: Any) -> Mapping[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
