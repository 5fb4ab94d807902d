"""Recent changes: policies, Services, workloads, DNS and CNI settings, by whom, newest first.

Reads    creation times and managedFields of policies, Namespaces, Services, workloads, ConfigMaps and the pod; Events.
Touches  nothing.
Blind    when neither policies nor workloads nor Services could be read. Deletions leave no object and stay unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sensors.kit.cluster import Cluster, Environment, Object
from sensors.kit.events import EventFact, fold_events
from sensors.kit.kinds import (
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CALICO_GLOBAL_NETWORK_POLICY,
    CALICO_NETWORK_POLICY,
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CILIUM_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    EVENT,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from sensors.kit.managers import made_with
from sensors.kit.model import Blind, Sensor, Target
from sensors.kit.objects import Ref, created_at, get, items, mapping, name_of, namespace_of, parse_time, text
from sensors.kit.reading import Kinds, read_kinds
from sensors.topology.peer import ADDRESS_KINDS, addressed, places


class ChangeKind(StrEnum):
    """An object appeared, was changed, or was asked to go."""

    CREATED = "created"
    CHANGED = "changed"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class RecentChange:
    """One change. `ago_s` seconds before the investigation; `manager` the writing program (`kubectl-patch`, `helm`).

    `fields` are the spec, data and label keys that this manager owns: the change is among them, which one is not
    recorded (source: managedFields keeps one time per manager).
    """

    about: Ref
    kind: ChangeKind
    at: datetime
    ago_s: float
    manager: str = ""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        by = f" {made_with(self.manager)}".rstrip()
        what = f" ({', '.join(self.fields[:4])})" if self.fields and self.kind is ChangeKind.CHANGED else ""
        return f"{self.about} {self.kind.value} {self.ago_s:.0f} s ago{by}{what}"


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """Changes within `window_s` seconds before `at`, newest first; `events` of the same time, warnings first."""

    at: datetime
    window_s: int
    changes: tuple[RecentChange, ...]
    events: tuple[EventFact, ...]
    unread: tuple[str, ...]

    def of(self, about: Ref) -> tuple[RecentChange, ...]:
        """The changes of one object."""
        return tuple(each for each in self.changes if each.about == about)

    def summary(self) -> str:
        if not self.changes:
            return f"nothing was changed in the {self.window_s} s before"
        count = "1 change" if len(self.changes) == 1 else f"{len(self.changes)} changes"
        return f"{count} in {self.window_s} s; newest: " + "; ".join(map(str, self.changes[:3]))


ALWAYS = (NETWORK_POLICY, SERVICE, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CONFIG_MAP)
WHERE_INSTALLED = (
    CILIUM_NETWORK_POLICY,
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CALICO_NETWORK_POLICY,
    CALICO_GLOBAL_NETWORK_POLICY,
)
VITAL_CONFIG = ("coredns", "cilium-config", "kube-proxy", "kube-flannel-cfg", "calico-config", "node-local-dns")
SYSTEM = "kube-system"

CREATION = timedelta(seconds=2)
"""What a manager writes within this time of the creation is part of it (the same request, in whole seconds)."""


async def look(target: Target, cluster: Cluster, *, window: int = 3600) -> RecentChanges:
    """Changes in the last `window` seconds in the namespaces of the pod and its peer, in kube-system, cluster-wide."""
    kinds = await read_kinds(cluster, *ALWAYS, *WHERE_INSTALLED, *ADDRESS_KINDS, EVENT)
    if all(kinds.known(each) is None for each in ALWAYS):
        raise Blind("; ".join(kinds.complaints[: len(ALWAYS)]))
    near = near_namespaces(target, kinds, await cluster.environment())
    return recent_changes(target, kinds, near, await cluster.now(), window)


def near_namespaces(target: Target, kinds: Kinds, environment: Environment) -> frozenset[str]:
    """The namespaces whose changes can matter: the pod's, its peer's, kube-system; empty stands for cluster-wide."""
    near = {target.namespace, SYSTEM, ""}
    if target.to_host is not None:
        where = places(kinds.of(SERVICE), kinds, environment)
        asked = addressed(target.to_host, target.to_port, target.namespace, where)
        near |= {each.namespace for each in (asked.service, asked.pod) if each and each.namespace != "default"}
    return frozenset(near)


def recent_changes(target: Target, kinds: Kinds, near: frozenset[str], now: datetime, window: int) -> RecentChanges:
    """The facts from objects that were read; see `look`."""
    watched = (
        each for kind in (*ALWAYS, *WHERE_INSTALLED, NAMESPACE, POD) for each in _watched(kind, kinds, near, target)
    )
    found = [change for each in watched for change in changes_of(each, now) if 0 <= change.ago_s <= window]
    events = (each for each in fold_events(kinds.of(EVENT)) if _is_recent(each, near, now, window))
    unread = (f"{kind.plural}: {why}" for kind, why in kinds.unread.items() if kind not in WHERE_INSTALLED)
    return RecentChanges(
        at=now,
        window_s=window,
        changes=tuple(sorted(found, key=lambda each: (each.ago_s, each.about, each.kind.value))),
        events=tuple(events)[:20],
        unread=tuple(unread),
    )


def _watched(kind: Kind, kinds: Kinds, near: frozenset[str], target: Target) -> Iterator[Object]:
    """The objects of a kind that can matter: of pods only the target, of ConfigMaps only DNS and network settings."""
    for each in kinds.of(kind):
        name, space = name_of(each), namespace_of(each)
        if kind is POD:
            wanted = (space, name) == (target.namespace, target.pod)
        elif kind is CONFIG_MAP:
            wanted = name in VITAL_CONFIG
        else:
            wanted = (name if kind is NAMESPACE else space) in near
        if wanted:
            yield each


def _is_recent(event: EventFact, near: frozenset[str], now: datetime, window: int) -> bool:
    recent = event.last is not None and (now - event.last).total_seconds() <= window
    return recent and event.about.namespace in near


# -- one object --------------------------------------------------------------------------------------------------------


def changes_of(thing: Object, now: datetime) -> tuple[RecentChange, ...]:
    """Creation of an object, the writes since, and a deletion that is under way."""
    about = Ref(text(thing, "kind"), namespace_of(thing), name_of(thing))
    created, leaving = created_at(thing), parse_time(get(thing, "metadata", "deletionTimestamp"))
    writes = [each for each in map(_write, items(thing, "metadata", "managedFields")) if each]
    birth = (
        [RecentChange(about, ChangeKind.CREATED, created, _ago(now, created), _author(writes, created))]
        if created
        else []
    )
    later = [
        RecentChange(about, ChangeKind.CHANGED, at, _ago(now, at), manager, fields)
        for at, manager, fields in writes
        if created is None or at - created > CREATION
    ]
    end = [RecentChange(about, ChangeKind.DELETING, leaving, _ago(now, leaving))] if leaving else []
    return (*birth, *later, *end)


Write = tuple[datetime, str, tuple[str, ...]]
"""When, by which manager, and the fields that it owns."""


def _write(entry: Mapping[str, Any]) -> Write | None:
    """One entry of managedFields; writes to the status are a controller's echo, not a change."""
    at, fields = parse_time(get(entry, "time")), owned_fields(mapping(entry, "fieldsV1"))
    if at is None or text(entry, "subresource") == "status" or not fields:
        return None
    return at, text(entry, "manager"), fields


def _author(writes: Iterable[Write], created: datetime) -> str:
    """Author of the object in the moment it appeared."""
    return next((manager for at, manager, _ in writes if abs(at - created) <= CREATION), "")


def owned_fields(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Top-level keys of spec, data and labels in `fieldsV1`, as `spec.selector`; other metadata tells nothing."""
    parts = {"spec": ("f:spec",), "data": ("f:data",), "metadata.labels": ("f:metadata", "f:labels")}
    return tuple(
        f"{name}.{key[2:]}"
        for name, path in parts.items()
        for key in sorted(each for each in mapping(fields, *path) if isinstance(each, str) and each.startswith("f:"))
    )


def _ago(now: datetime, at: datetime) -> float:
    return (now - at).total_seconds()


SENSOR = Sensor(
    id="k8s.recent_changes", look=look, gives=RecentChanges, within=8.0, layers=(), weight=0.5, needs_pod=False
)
