"""A recorded incident as a cluster: every read answers from files, and an absent file is a blind sensor.

The layout is real tools' own output (`kubectl get -o yaml`, `hubble observe -o jsonpb`, /proc files, `ip -j`), so
that anyone can make a case; docs/case-folder.md describes it. The folder is read once, at `open_case`, apart from
hubble flows and logs; a file that is there and cannot be understood is the giver's mistake (`BadCase`), never calm.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sensors.access.case_files import MOST_TEXT, Unfit, open_regular, read_bytes, text_of
from sensors.access.case_objects import BadObjects, RecordedObjects, load_yaml, read_objects
from sensors.access.environment import SERVICE_CIDR, pod_cidrs, service_cidrs
from sensors.hubble.gathered import Gathered
from sensors.hubble.halves import gather_in_halves
from sensors.hubble.lines import (
    MAX_UNPACKED_BYTES,
    FlowQuestion,
    FlowReading,
    HubbleMessage,
    UnreadableFlows,
    read_flow_lines,
)
from sensors.kit.addresses import host_port
from sensors.kit.cluster import Connect, Dial, DnsLookup, Environment, Object, PathMtu
from sensors.kit.kinds import CILIUM_NODE, NODE, POD, Kind
from sensors.kit.model import NOT_RECORDED, Blind, Target
from sensors.kit.reading import Kinds

FLOW_FILES = ("flows.jsonl", "flows.jsonl.gz")
LOOK_AT = 4 << 20
"""Bytes of hubble flows that are read to see whether they are any."""

READ_AT_ONCE = 1 << 16
"""Bytes of a file that are read in less time than a thread needs to begin with them."""

PARTS = ("case.yaml", "objects", *FLOW_FILES, "logs", "pods", "nodes")

Row = TypeVar("Row")
Read = TypeVar("Read")


class BadCase(ValueError):
    """The folder is not a case, or a file in it cannot be understood. The message is one line and names the file."""


@dataclass(frozen=True, slots=True)
class CaseHeader:
    """Contents of `case.yaml`: the recorded question, the moment, the cluster, and whether anyone made it up.

    `missing` are parts that could not be captured (`path: reason`); `reading` is how the flows were read at that time,
    as far as their file does not show it.
    """

    target: Target | None = None
    recorded_at: datetime | None = None
    environment: Environment = field(default_factory=Environment)
    synthetic: bool = False
    missing: tuple[str, ...] = ()
    reading: FlowReading | None = None

    def why_missing(self, where: str, otherwise: str) -> str:
        """The reason why a part is not there: the reason of the moment of the capture, where one was noted."""
        noted = (each.partition(": ") for each in self.missing)
        return next((why for part, _, why in noted if part == where and why), otherwise)


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """The `Cluster` port over a case folder. Make one with `open_case`."""

    path: Path
    header: CaseHeader
    recorded: RecordedObjects

    async def now(self) -> datetime:
        return self.header.recorded_at or self._newest_file()

    async def environment(self) -> Environment:
        """As the header says; the ranges of addresses that it leaves out as the recorded objects tell them."""
        said, kinds = self.header.environment, self._told(NODE, CILIUM_NODE, POD, SERVICE_CIDR)
        return replace(
            said,
            service_cidrs=said.service_cidrs or service_cidrs(kinds),
            pod_cidrs=said.pod_cidrs or pod_cidrs(kinds),
        )

    def _told(self, *kinds: Kind) -> Kinds:
        return Kinds({each: self.recorded.by_kind.get((each.group, each.name), ()) for each in kinds}, {})

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        if kind.plural not in self.recorded.recorded:
            where = f"objects/{kind.plural}.yaml"
            unread = self.recorded.why_not(kind, f"{kind.plural} are {NOT_RECORDED} ({where})")
            raise Blind(self.header.why_missing(where, unread))
        found = self.recorded.by_kind.get((kind.group, kind.name), ())
        if namespace is None:
            return found
        return tuple(each for each in found if _meta(each).get("namespace") == namespace)

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        name = f"{container}.previous.log" if previous else f"{container}.log"
        text = await self._text("logs", namespace, pod, name)
        return "\n".join(text.splitlines()[-lines:])

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        path = self._flow_file()
        batches = _flow_batches(path, question)
        try:
            while (batch := await asyncio.to_thread(_next_batch, batches, path)) is not None:
                yield [self._as_read(each) for each in batch]
        except BadCase as why:
            raise Blind(str(why)) from None

    async def gathered_flows(self, question: FlowQuestion, seconds: float) -> Gathered | None:
        """A large file, read by two processes at once; None for any other. Ends with its caller, whatever ends that."""
        path, stop = self._flow_file(), threading.Event()
        try:
            gathered = await asyncio.to_thread(_in_halves, path, question, stop, seconds)
        except BadCase as why:
            raise Blind(str(why)) from None
        finally:
            stop.set()
        if gathered is not None and gathered.reading is not None:
            gathered.take([self._as_read(gathered.reading)])
        return gathered

    def _as_read(self, message: HubbleMessage) -> HubbleMessage:
        """A capture holds the flows that were brought, and says beside them what came of the whole look."""
        then = self.header.reading
        if then is None or not isinstance(message, FlowReading):
            return message
        return msgspec.structs.replace(
            message,
            flows=then.flows or message.flows,
            garbage=message.garbage + then.garbage,
            first_garbage=message.first_garbage or then.first_garbage,
            truncated=message.truncated or then.truncated,
            unfinished=message.unfinished or then.unfinished,
        )

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        return await self._text("pods", namespace, pod, name)

    async def node_file(self, node: str, name: str) -> str:
        return await self._text("nodes", node, name)

    async def lookups(self, namespace: str, pod: str, names: Sequence[str]) -> tuple[DnsLookup, ...]:
        return await asyncio.to_thread(self._rows, "dns.json", namespace, pod, _lookup)

    async def connects(self, namespace: str, pod: str, dials: Sequence[Dial]) -> tuple[Connect, ...]:
        return await asyncio.to_thread(self._rows, "connect.json", namespace, pod, _connect)

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        return await asyncio.to_thread(self._rows, "pmtu.json", namespace, pod, _path_mtu)

    async def _text(self, *parts: str) -> str:
        """As `_read`. A thread is for what takes longer than handing it to one."""
        if _is_small(self.path.joinpath(*parts)):
            return self._read(*parts)
        return await asyncio.to_thread(self._read, *parts)

    def _read(self, *parts: str) -> str:
        """The text of a file of the case. A part that would leave the folder is refused, not followed."""
        path = self.path.joinpath(*parts)
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise Blind(f"{'/'.join(parts)} points outside the case")
        where = "/".join(parts)
        try:
            return text_of(read_bytes(path, MOST_TEXT), errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Blind(self.header.why_missing(where, f"{where} is {NOT_RECORDED}")) from None
        except (OSError, Unfit) as why:
            raise Blind(f"{where}: {getattr(why, 'strerror', None) or why}") from None

    def _rows(self, name: str, namespace: str, pod: str, parse: Callable[[Mapping[str, Any]], Row]) -> tuple[Row, ...]:
        text = self._read("pods", namespace, pod, name)
        try:
            return tuple(parse(row) for row in json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as why:
            raise Blind(f"pods/{namespace}/{pod}/{name} is not the list it should be ({why})") from None

    def _flow_file(self) -> Path:
        for name in FLOW_FILES:
            if (path := self.path / name).exists():
                return path
        raise Blind(self.header.why_missing("flows.jsonl", f"flows.jsonl is {NOT_RECORDED}"))

    def _newest_file(self) -> datetime:
        return datetime.fromtimestamp(max(each.stat().st_mtime for each in self.path.iterdir()), UTC)


def open_case(path: Path) -> CaseFolder:
    """Read a case folder. Raises `BadCase` with one line that says what is wrong and where."""
    if not path.exists():
        raise BadCase(f"{path}: no such folder")
    if not path.is_dir():
        raise BadCase(f"{path} is a file; a case is a folder with case.yaml, objects/ and flows.jsonl")
    if not any((path / part).exists() for part in PARTS):
        raise BadCase(f"{path} is not a case: it holds none of {', '.join(PARTS)}")
    for each in (path / "case.yaml", *sorted((path / "objects").glob("*")), *(path / name for name in FLOW_FILES)):
        _check_inside(each, path)
    header = _read_header(path / "case.yaml")
    for name in FLOW_FILES:
        _check_flows(path / name)
    return CaseFolder(path, header, _recorded(path / "objects"))


def _check_inside(path: Path, case: Path) -> None:
    """A case comes from somebody else: what it holds must not be read from elsewhere on this machine."""
    if not path.resolve().is_relative_to(case.resolve()):
        raise BadCase(f"{path} points outside the case")


def _check_flows(path: Path) -> None:
    """Flows that nobody can read are the giver's mistake; a file that breaks off in the middle is still of use.

    Only the beginning is read here: the rest is for the sensor, which has a time limit.
    """
    if path.exists():
        _next_batch(_flow_batches(path, FlowQuestion(), LOOK_AT), path)


def _in_halves(path: Path, question: FlowQuestion, stop: threading.Event, seconds: float) -> Gathered | None:
    try:
        with open_regular(path) as stream:
            return gather_in_halves(stream.fileno(), question, lambda: not stop.is_set(), seconds)
    except UnreadableFlows as why:
        raise BadCase(f"{path}: {why}") from None
    except (OSError, Unfit):
        return None  # the reader of the messages says what is wrong with it


def _flow_batches(path: Path, question: FlowQuestion, at_most: int = 0) -> Iterator[Sequence[HubbleMessage]]:
    """The hubble flows of a regular file, or only of its first bytes. Raises `UnreadableFlows`."""
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_UNPACKED_BYTES:
                raise UnreadableFlows(
                    f"larger ({size >> 20} MiB) than a recording can be ({MAX_UNPACKED_BYTES >> 20} MiB)"
                )
            yield from read_flow_lines(BytesIO(stream.read(at_most)) if at_most else stream, question)
    except (OSError, Unfit) as why:
        raise UnreadableFlows(getattr(why, "strerror", None) or str(why)) from None


def _is_small(path: Path) -> bool:
    """A file that is read at once, or none at all."""
    try:
        return path.stat().st_size <= READ_AT_ONCE
    except OSError:
        return True


def _read_header(path: Path) -> CaseHeader:
    documents = _in_one_line(load_yaml, path) if path.exists() else []
    said = documents[0] if documents else {}
    if not isinstance(said, dict):
        raise BadCase(f"{path}: expected keys such as target and cluster, found {type(said).__name__}")
    recorded = _section(said, "recorded", path)
    return CaseHeader(
        target=_target(_section(said, "target", path), path),
        recorded_at=_when(recorded.get("at"), path),
        environment=_environment(_section(said, "cluster", path), path),
        synthetic=said.get("synthetic") is True,
        missing=_texts(recorded.get("missing")),
        reading=_reading(recorded.get("flows")),
    )


def _reading(said: object) -> FlowReading | None:
    """`recorded.flows` of a capture. What is not a count counts as none."""
    if not isinstance(said, dict):
        return None
    read, garbage, first = (_count(said.get(key)) for key in ("read", "unreadable", "first_unreadable"))
    cut = said.get("complete") is False
    return FlowReading(read, garbage, first, truncated=cut, unfinished=cut)


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def _section(said: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = said.get(key) or {}
    if not isinstance(value, dict):
        raise BadCase(f"{path}: {key} should hold keys, found {type(value).__name__}")
    return value


def _target(said: Mapping[str, Any], path: Path) -> Target | None:
    if not said:
        return None
    try:
        pod, namespace, to = _name(said["pod"]), _name(said["namespace"]), said.get("to")
        peer = host_port(str(to)) if to else None
    except (KeyError, ValueError) as why:
        raise BadCase(f"{path}: target needs pod and namespace, and to as HOST:PORT ({why})") from None
    return Target(pod, namespace, peer.host, peer.port, peer.protocol) if peer else Target(pod, namespace)


def _name(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise ValueError(f"{value!r} is no name")
    return str(value)


def _environment(said: Mapping[str, Any], path: Path) -> Environment:
    wrong = next(
        (key for key in ("name", "cni", "cni_version", "kubernetes") if isinstance(said.get(key), list | dict)), None
    )
    if wrong:
        raise BadCase(f"{path}: cluster.{wrong} should be a word, found {type(said[wrong]).__name__}")
    replaced = said.get("kube_proxy_replacement")
    return Environment(
        cni=_text(said, "cni"),
        cni_version=_text(said, "cni_version"),
        kubernetes=_text(said, "kubernetes"),
        kube_proxy_replacement=replaced if isinstance(replaced, bool) else None,
        service_cidrs=_texts(said.get("service_cidrs") or said.get("service_cidr")),
        pod_cidrs=_texts(said.get("pod_cidrs")),
        flow_source=_text(said, "flow_source"),
        name=_text(said, "name"),
    )


def _text(said: Mapping[str, Any], key: str) -> str | None:
    value = said.get(key)
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)


def _when(value: object, path: Path) -> datetime | None:
    """The moment of the recording. Every age is measured from it, so one that cannot be read is the giver's mistake."""
    if value is None or value == "":
        return None
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        told = str(value)[:60]
        raise BadCase(f"{path}: recorded.at wants a time such as 2026-11-23T21:11:11Z, not {told!r}") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _recorded(folder: Path) -> RecordedObjects:
    return _in_one_line(read_objects, folder)


def _in_one_line(read: Callable[[Path], Read], path: Path) -> Read:
    try:
        return read(path)
    except BadObjects as why:
        raise BadCase(str(why)) from None


def _next_batch(batches: Any, path: Path) -> Sequence[HubbleMessage] | None:
    try:
        return next(batches, None)
    except UnreadableFlows as why:
        raise BadCase(f"{path}: {why}") from None


def _meta(thing: Object) -> Mapping[str, Any]:
    meta = thing.get("metadata")
    return meta if isinstance(meta, dict) else {}


def _known(row_type: type, row: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(row_type)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in names}


def _lookup(row: Mapping[str, Any]) -> DnsLookup:
    return DnsLookup(**_known(DnsLookup, row))


def _connect(row: Mapping[str, Any]) -> Connect:
    return Connect(**_known(Connect, row))


def _path_mtu(row: Mapping[str, Any]) -> PathMtu:
    return PathMtu(**_known(PathMtu, row))
