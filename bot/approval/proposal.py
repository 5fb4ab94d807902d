"""A proposal: the exact change that people are asked about, what it was proved on, and what it is bound to.

What is shown, hashed and applied is one document; nothing of it ever comes back from Slack but the id.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.approval.states import ProposalState
from flows.model import Component
from sensors.kit import Target

Json = Mapping[str, Any]

ID_BYTES = 16
"""128 bits: nobody guesses the id of somebody else's proposal."""


class Purpose(StrEnum):
    """`rollback`: it takes back what its parent has changed. `extension`: it only changes until when that stays."""

    CHANGE = "change"
    ROLLBACK = "rollback"
    EXTENSION = "extension"


class PartKind(StrEnum):
    """Kind of change of one object: a JSON patch, a new object, or the deletion of an object that was made so."""

    PATCH = "json-patch"
    CREATE = "manifest"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class ProposalPart:
    """The change of one object. `body`: RFC 6902 operations, or the manifest alone, or nothing (a deletion).

    `inverse` undoes it in the same form. `uid`, `resource_version` and `fingerprint` are those of the object that was
    read for the proof; empty for one that does not exist yet. The fingerprint is of what people write in an object: it
    tells a change from a mere new resourceVersion, which a status alone gives.
    """

    kind: PartKind
    target: Component
    body: tuple[Json, ...]
    inverse: tuple[Json, ...] = ()
    uid: str = ""
    resource_version: str = ""
    fingerprint: str = ""

    @property
    def namespace(self) -> str:
        return self.target.namespace or (self.target.name if self.target.kind == "Namespace" else "")


@dataclass(frozen=True, slots=True)
class Tuple5:
    """A connection that the proof rests on, or that was seen. `source`, `destination`: `namespace/pod` or an address.

    The workloads (`namespace/kind/name`) and the address know it again when its pods are others by then. `looked_up` is
    the DNS name that led the client to the address: what a policy that names names compares.
    """

    source: str
    destination: str
    protocol: str
    port: int
    source_workload: str = ""
    destination_workload: str = ""
    address: str = ""
    looked_up: str = field(default="", compare=False)

    def is_like(self, other: Tuple5) -> bool:
        """The same client asking the same server port."""
        source = self.source == other.source or (self.source_workload and self.source_workload == other.source_workload)
        pairs = [(self.destination, other.destination), (self.destination_workload, other.destination_workload)]
        there = any(mine and mine == theirs for mine, theirs in [*pairs, (self.address, other.address)])
        return bool(source) and there and (self.protocol, self.port) == (other.protocol, other.port)

    def __str__(self) -> str:
        return f"{self.source} → {self.destination} on {self.protocol} {self.port}"


@dataclass(frozen=True, slots=True)
class ProofRecord:
    """Result of the proof, and its subject: the hash of every policy that selects an endpoint, and the denied tuples.

    `newly_denied` are ports that no pod serves: a change that takes away anything else is not proposed.
    """

    policies: str
    flows: tuple[Tuple5, ...] = ()
    replayed: int = 0
    allowed: int = 0
    newly_allowed: tuple[str, ...] = ()
    newly_denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalLocation:
    """Location of the proposal's message: ids of Slack; all empty when it was made in a terminal."""

    team: str = ""
    channel: str = ""
    thread: str = ""
    ts: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """`asked_by`: everyone who asked, joined or ran it again. `edited_by`: who wrote this version of the patch.

    `sha256` is that of the parts as they were shown. `why` says in a sentence how it came to its state. `written` are
    the uid and fingerprint of each part after the write, by place; None where it was not written. `denied` is what was
    denied just before it, so that only what is new counts against the change. `shown`: the state that its card shows.
    """

    id: str
    investigation: str
    target: Target
    title: str
    parts: tuple[ProposalPart, ...]
    proved: ProofRecord
    created_at: datetime
    expires_at: datetime
    purpose: Purpose = Purpose.CHANGE
    parent: str = ""
    cluster: str = "default"
    asked_by: tuple[str, ...] = ()
    edited_by: str = ""
    place: ProposalLocation = field(default_factory=ProposalLocation)
    state: ProposalState = ProposalState.PROPOSED
    why: str = ""
    moved_at: datetime | None = None
    written: tuple[tuple[str, str] | None, ...] = ()
    denied: tuple[Tuple5, ...] = ()
    shown: str = ""

    @property
    def is_whole(self) -> bool:
        """Every part of it is written."""
        return len(self.written) == len(self.parts) and None not in self.written

    @property
    def sha256(self) -> str:
        return digest_of(self.parts)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces whose owners have a say, in the order of the parts."""
        return tuple(dict.fromkeys(each.namespace for each in self.parts))


@dataclass(frozen=True, slots=True)
class KubeUser:
    """Somebody as the API server knows them."""

    name: str
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly this hash. `covers`: places of the parts that this person may change."""

    person: str
    who: KubeUser
    covers: tuple[int, ...]
    sha256: str
    at: datetime


def new_id() -> str:
    return secrets.token_hex(ID_BYTES)


def canonical(value: Any) -> str:
    """JSON with one spelling: what is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(parts: Iterable[ProposalPart]) -> str:
    """Of all but the resourceVersion, which is read again for the write and changes without anybody's doing."""
    exact = [part_json(replace(each, resource_version="")) for each in parts]
    return hashlib.sha256(canonical(exact).encode()).hexdigest()


def part_json(part: ProposalPart) -> dict[str, Any]:
    target = part.target
    return {
        "kind": part.kind.value,
        "target": {"kind": target.kind, "namespace": target.namespace, "name": target.name},
        "body": list(part.body),
        "inverse": list(part.inverse),
        "uid": part.uid,
        "resource_version": part.resource_version,
        "fingerprint": part.fingerprint,
    }


def part_of(said: Json) -> ProposalPart:
    target = said["target"]
    return ProposalPart(
        PartKind(said["kind"]),
        Component(target["kind"], target["namespace"], target["name"]),
        tuple(said["body"]),
        tuple(said["inverse"]),
        said["uid"],
        said["resource_version"],
        said["fingerprint"],
    )
