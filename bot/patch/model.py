"""The nouns of a change: who makes it, what it is, and how it ended. Plain values; nothing here asks a cluster.

A change names the object by uid and resourceVersion as they were when the change was proved. Both are always checked
by the API server itself, whatever the patch says: somebody else's change in between ends in `Conflict` or `Gone`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sensors.kit.cluster import Object
from sensors.kit.kinds import (
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CILIUM_NETWORK_POLICY,
    DEPLOYMENT,
    NAMESPACE,
    NETWORK_POLICY,
    SERVICE,
    Kind,
)

PROPOSAL_ANNOTATION = "kai.dev/proposal"
"""The annotation that names the proposal an object was last changed by; created objects carry it as a label, too."""

WRITABLE: Mapping[tuple[str, str], Kind] = {
    (each.api, each.name): each
    for each in (
        *(NETWORK_POLICY, CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY),
        *(SERVICE, DEPLOYMENT, NAMESPACE),
    )
}
"""All that may be changed at all, by apiVersion and kind: what no fix builder makes is refused before any request."""

PROPOSAL_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
OBJECT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
EVERYBODY = "system:authenticated"


class BadOrder(ValueError):
    """The order itself is wrong, and nothing was sent. The message says what."""


@dataclass(frozen=True, slots=True)
class Approver:
    """The Kubernetes user in whose name a change is made. `extra` is theirs; the proposal's id is added to it.

    The API server adds `system:authenticated` itself. Other names of the system (`system:masters`, service accounts,
    nodes) are no persons, and are refused. Raises `BadOrder`.
    """

    user: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in (self.user, *self.groups, *self.extra, *(one for many in self.extra.values() for one in many)):
            if not each or not each.isprintable() or each != each.strip():
                raise BadOrder(f"{each!r} cannot stand for a person, a group or an extra of theirs")
        for each in (self.user, *(group for group in self.groups if group != EVERYBODY)):
            if each.startswith("system:"):
                raise BadOrder(f"{each} is a name of the system and no person's")


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Name of an object: `namespace` is empty for kinds that have none. Raises `BadOrder`."""

    kind: Kind
    name: str
    namespace: str = ""

    def __post_init__(self) -> None:
        if self.kind not in WRITABLE.values():
            raise BadOrder(f"a {self.kind} is never changed by KAI")
        if not OBJECT_NAME.fullmatch(self.name) or (self.namespace and not OBJECT_NAME.fullmatch(self.namespace)):
            raise BadOrder(f"{self.namespace!r}, {self.name!r} is not the name of an object")
        if bool(self.namespace) is not self.kind.namespaced:
            raise BadOrder(f"{self.kind} {self.name}: {'a' if self.kind.namespaced else 'no'} namespace is needed")

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Edit:
    """A JSON patch (RFC 6902) on an object as it was at `resource_version`."""

    target: ObjectName
    operations: tuple[Mapping[str, Any], ...]
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Creation:
    """A new object; a name that is taken is never written over. `target` says what `manifest` says."""

    manifest: Mapping[str, Any]

    @property
    def target(self) -> ObjectName:
        meta = self.manifest.get("metadata")
        kind = WRITABLE.get((str(self.manifest.get("apiVersion")), str(self.manifest.get("kind"))))
        if kind is None or not isinstance(meta, Mapping):
            raise BadOrder(f"a {self.manifest.get('kind')} is never changed by KAI")
        return ObjectName(kind, str(meta.get("name", "")), str(meta.get("namespace") or ""))


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object goes, if it is still the same one and nobody has changed it since."""

    target: ObjectName
    uid: str
    resource_version: str


ClusterChange = Edit | Creation | Deletion


@dataclass(frozen=True, slots=True)
class Order:
    """One change by one person for one proposal. A rollback is an order of its own, with its own proposal id.

    `approver` None is the owner of the credentials that the writer was opened with: a person at a terminal.
    `expects` is the digest of the result that was shown to the approver (`Rehearsed.digest`): where the API server
    would make anything else of it now, nothing is written. None: whatever the dry run says is taken.
    """

    proposal: str
    approver: Approver | None
    change: ClusterChange
    expects: str | None = None

    def __post_init__(self) -> None:
        if not PROPOSAL_ID.fullmatch(self.proposal):
            raise BadOrder(f"{self.proposal!r} is not the id of a proposal")
        _ = self.change.target  # a manifest of no known kind is refused here


# -- how it ended ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One place of the object, as a JSON pointer; None is "not there"."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The API server's dry run: what it would store. `digest` goes into `Order.expects`."""

    before: Object | None
    after: Object | None
    differences: tuple[Difference, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The change is in force. `from_mark`: the answer was lost, and the object itself told it.

    `resource_version` is empty where the object is gone, as it should be; `after` is what is stored now. `audit_id`:
    under which the API server's own audit log has the request; empty where no answer said so.
    """

    uid: str
    resource_version: str
    differences: tuple[Difference, ...] = ()
    after: Object | None = None
    from_mark: bool = False
    audit_id: str = ""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """No right (403). `words` are the API server's own, on one line. `as_kai`: it was KAI that may not act as them."""

    words: str
    as_kai: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The API server takes no such object: invalid, or denied by an admission policy. `words` are its own."""

    words: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object, or what would become of it, is no longer what the approver saw. Nothing was written."""

    words: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The object is not there any more, or another one has its name: nothing of this change is in force."""

    words: str


@dataclass(frozen=True, slots=True)
class AlreadyExists:
    """The name of the new object is taken by somebody else's, which was left as it is."""

    words: str


@dataclass(frozen=True, slots=True)
class NotApplied:
    """Nothing was written: the request never left, was turned away, or the object shows no trace of it."""

    words: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost and the object could not be read: ask again with `Writer.reconcile`, never with `apply`."""

    words: str


WriteTrouble = Forbidden | Rejected | Conflict | Gone | AlreadyExists | NotApplied
WriteOutcome = Applied | WriteTrouble | Unknown
