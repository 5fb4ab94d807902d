"""One honest fake of the `Cluster` port: it answers with what it was given and is blind for everything else.

Nothing is invented on the way: a kind nobody gave is `Blind`, a kind named in `kinds` without an object is an empty
tuple ("looked, there are none"), and `blind` / `absent` say why for a whole part. Keys of these two are plurals of
kinds (`pods`), or a method's own word: `logs`, `flows`, `pod_files`, `node_files`, `lookups`, `connects`, `path_mtus`,
`environment`, `now`; or one file (`shop/web/net/snmp`, `lab1/dmesg`, `shop/web/app`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sensors.hubble.lines import FlowQuestion, HubbleFlow, HubbleMessage
from sensors.kit.cluster import Connect, Dial, DnsLookup, Environment, Object, PathMtu
from sensors.kit.kinds import POD, Kind
from sensors.kit.model import Absent, Blind, TooMany

AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)


@dataclass(frozen=True)
class FakeCluster:
    """A cluster of in-memory dicts.

    objects     Kubernetes objects with apiVersion and kind.
    kinds       kinds that can be read although none of their objects was given.
    pod_files   `namespace/pod/name` -> text; node_files `node/name` -> text; logs `namespace/pod/container` -> text
                (`…/container.previous` for the run before).
    flows       what Hubble sends; None = no Hubble.
    """

    objects_given: tuple[Object, ...] = ()
    kinds: frozenset[Kind] = frozenset()
    pod_files: Mapping[str, str] = field(default_factory=dict)
    node_files: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    flows: tuple[HubbleMessage, ...] | None = None
    lookups_given: tuple[DnsLookup, ...] | None = None
    connects_given: tuple[Connect, ...] | None = None
    path_mtus_given: tuple[PathMtu, ...] | None = None
    environment_given: Environment = field(default_factory=Environment)
    at: datetime = AT
    blind: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]] = (),
        *,
        kinds: Iterable[Kind] = (),
        pod_files: Mapping[str, str] | None = None,
        node_files: Mapping[str, str] | None = None,
        logs: Mapping[str, str] | None = None,
        flows: Iterable[HubbleMessage] | None = None,
        lookups: Iterable[DnsLookup] | None = None,
        connects: Iterable[Connect] | None = None,
        path_mtus: Iterable[PathMtu] | None = None,
        environment: Environment | None = None,
        at: datetime = AT,
        blind: Mapping[str, str] | None = None,
        absent: Mapping[str, str] | None = None,
    ) -> None:
        given = {
            "objects_given": tuple(objects),
            "kinds": frozenset(kinds),
            "pod_files": pod_files or {},
            "node_files": node_files or {},
            "logs": logs or {},
            "flows": _tuple(flows),
            "lookups_given": _tuple(lookups),
            "connects_given": _tuple(connects),
            "path_mtus_given": _tuple(path_mtus),
            "environment_given": environment or Environment(),
            "at": at,
            "blind": blind or {},
            "absent": absent or {},
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    async def now(self) -> datetime:
        self._check("now")
        return self.at

    async def environment(self) -> Environment:
        self._check("environment")
        return self.environment_given

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        self._check(kind.plural)
        found = tuple(each for each in self.objects_given if _is(each, kind))
        if not found and kind not in self.kinds:
            raise Blind(f"{kind.plural} were not given")
        return found if namespace is None else tuple(each for each in found if _namespace(each) == namespace)

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        key = f"{namespace}/{pod}/{container}" + (".previous" if previous else "")
        return "\n".join(self._text("logs", self.logs, key).splitlines()[-lines:])

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        self._check("flows")
        if self.flows is None:
            raise Blind("hubble flows were not given")
        yield [each for each in self.flows if _wanted(each, question)]

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        return self._text("pod_files", self.pod_files, f"{namespace}/{pod}/{name}")

    async def node_file(self, node: str, name: str) -> str:
        return self._text("node_files", self.node_files, f"{node}/{name}")

    async def lookups(self, namespace: str, pod: str, names: Sequence[str]) -> tuple[DnsLookup, ...]:
        return self._rows("lookups", self.lookups_given)

    async def connects(self, namespace: str, pod: str, doors: Sequence[Dial]) -> tuple[Connect, ...]:
        return self._rows("connects", self.connects_given)

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        return self._rows("path_mtus", self.path_mtus_given)

    def _check(self, *keys: str) -> None:
        for key in keys:
            if key in self.blind:
                raise Blind(self.blind[key])
            if key in self.absent:
                raise Absent(self.absent[key])

    def _text(self, part: str, given: Mapping[str, str], key: str) -> str:
        self._check(part, key)
        if key not in given:
            raise Blind(f"{key} was not given")
        return given[key]

    def _rows(self, part: str, given: tuple[Any, ...] | None) -> tuple[Any, ...]:
        self._check(part)
        if given is None:
            raise Blind(f"{part} were not given")
        return given


def _tuple(given: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if given is None else tuple(given)


def _is(thing: Object, kind: Kind) -> bool:
    """By group and kind, like the case folder: a served version may differ from the one we ask for."""
    return thing.get("kind") == kind.name and str(thing.get("apiVersion") or "").rpartition("/")[0] == kind.group


def _namespace(thing: Object) -> object:
    meta = thing.get("metadata")
    return meta.get("namespace") if isinstance(meta, Mapping) else None


def _wanted(message: HubbleMessage, question: FlowQuestion) -> bool:
    """What a relay would send for this question; the newest-so-many limit is left to the real adapters."""
    if not isinstance(message, HubbleFlow):
        return True
    if not question.in_time(message):
        return False
    return not question.pod or question.is_about(message) or (question.others and message.is_bad)


class CrowdedCluster(FakeCluster):
    """A cluster whose pods are too many to be read at once."""

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        if kind is POD and namespace is None:
            raise TooMany("pods in all namespaces: 150,000, too many to read")
        return await super().objects(kind, namespace)
