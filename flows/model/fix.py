"""A fix: the change that mends a cause, the way back, the proof that it helps, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, TypeAlias

from flows.model.component import Component

Operation: TypeAlias = Mapping[str, Any]
"""One operation of an RFC 6902 patch."""

REMOVE_OBJECT: tuple[Operation, ...] = ({"op": "remove", "path": ""},)
"""The inverse of a manifest that made a new object: the object as a whole goes."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """Terms of every fix, whatever form its change takes.

    `automatic` says that a person may approve it with one button; `refused` why nobody should. `newly_denied`: what it
    takes away, each with how often that was seen in use; more than ports that nobody serves is `refused`. `owner` names
    who would revert it (Argo CD, Flux, Helm). `also` are the other changes of a fix that needs several.
    """

    title: str = ""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonPatchFix(_Terms):
    """A JSON patch for an object that exists, and the patch that takes it back.

    `uid` and `resource_version` are those of the object as it was read; empty where nobody read it.
    """

    kind: ClassVar[str] = "json-patch"

    target: Component
    patch: tuple[Operation, ...]
    inverse: tuple[Operation, ...]
    uid: str = ""
    resource_version: str = ""

    @property
    def id(self) -> str:
        return _id(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFix(_Terms):
    """A new object. What takes it back is its deletion."""

    kind: ClassVar[str] = "manifest"

    target: Component
    manifest: Mapping[str, Any]

    @property
    def patch(self) -> tuple[Operation, ...]:
        return (self.manifest,)

    @property
    def inverse(self) -> tuple[Operation, ...]:
        return REMOVE_OBJECT

    @property
    def id(self) -> str:
        return _id(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFix(_Terms):
    """No change is proposed."""

    kind: ClassVar[str] = "none"
    target: ClassVar[None] = None
    patch: ClassVar[tuple[Operation, ...]] = ()
    inverse: ClassVar[tuple[Operation, ...]] = ()

    @property
    def id(self) -> str:
        return ""


Fix: TypeAlias = JsonPatchFix | ManifestFix | NoFix

NO_FIX = NoFix()


def _id(fix: JsonPatchFix | ManifestFix) -> str:
    """Names exactly this change, its way back and all that belongs to it: the same change has the same id.

    An approval is given to an id, so that nothing else can be applied under it.
    """
    parts = [fix.kind, str(fix.target), fix.patch, fix.inverse, [each.id for each in fix.also]]
    exact = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return f"fix-{sha256(exact.encode()).hexdigest()[:16]}"


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
