"""Packs work for a worker process and unpacks what comes back.

Pickle, over a pipe between two processes of ours that run the same code; nothing from outside is ever unpickled.
Plug-ins travel by their id. The raw objects of a cluster, which investigations of one moment share, travel once: both
sides remember the newest, so that a worker indexes the policies of one moment once, too.
"""

from __future__ import annotations

import io
import pickle
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Any, BinaryIO

from flows.catalog import rules
from flows.model import Rule
from sensors.k8s_network_policies import Policies
from sensors.kit import Sensor
from sensors.kit.catalog import sensors
from sensors.kit.objects import get

HEAD = struct.Struct("!Q")
MAX_FRAME = 1 << 30
OBJECTS_AT_ONCE = 100
"""Objects in one pickle: pickling holds the interpreter, and the loop has its turn in between."""

PARED_KINDS = ("Pod", "Node")
NOTHING: frozenset[str] = frozenset()
UNREAD_PARTS = {
    "metadata": frozenset(("managedFields",)),
    "spec": frozenset(("volumes", "tolerations", "affinity", "topologySpreadConstraints")),
    "status": frozenset(("images", "volumesAttached", "volumesInUse", "containerStatuses")),
}
"""Parts of pods and nodes that stay in the process that read them."""

Objects = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Raw objects of one moment, packed. They are kept as they are, so that an id means the same object."""

    number: int
    objects: Objects
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PackedWork:
    """A function with its arguments, and the snapshot that they point into."""

    body: bytes
    snapshot: Snapshot | None = None

    @property
    def number(self) -> int | None:
        return None if self.snapshot is None else self.snapshot.number

    @property
    def size(self) -> int:
        """Number of raw objects."""
        return 0 if self.snapshot is None else len(self.snapshot.objects)

    def frame(self, held: int | None) -> bytes:
        """For a worker that holds the snapshot of this number."""
        sent = self.snapshot if self.snapshot is not None and self.snapshot.number != held else None
        return pickle.dumps((sent and (sent.number, sent.parts), self.body), 5)


class WorkPacker:
    """Packs work, in whatever thread. It keeps the newest snapshot, until it is told to forget it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._newest: Snapshot | None = None

    def pack(self, work: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> PackedWork:
        """Raises what pickle raises for a value that cannot travel."""
        body = io.BytesIO()
        pickler = _WorkPickler(body, self._snapshot_of)
        pickler.dump((work, arguments, dict(keywords)))
        return PackedWork(body.getvalue(), pickler.snapshot)

    def forget(self) -> None:
        self._newest = None

    def _snapshot_of(self, objects: Objects) -> Snapshot:
        with self._lock:
            newest = self._newest
            if newest is None or not _are_the_same(newest.objects, objects):
                newest = self._newest = Snapshot(next(self._numbers), objects, tuple(_parts(objects)))
            return newest


def _are_the_same(some: Objects, others: Objects) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _parts(objects: Objects) -> list[bytes]:
    slices = (objects[at : at + OBJECTS_AT_ONCE] for at in range(0, len(objects), OBJECTS_AT_ONCE))
    return [pickle.dumps(tuple(map(pared, each)), 5) for each in slices]


def pared(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pod or node without the parts that no policy, rule or fix looks into: half of its size. Others as they are."""
    if get(thing, "kind") not in PARED_KINDS:
        return thing
    return {key: _without(value, UNREAD_PARTS.get(key, NOTHING)) for key, value in thing.items()}


def _without(part: Any, keys: frozenset[str]) -> Any:
    return {key: value for key, value in part.items() if key not in keys} if keys and isinstance(part, dict) else part


class _WorkPickler(pickle.Pickler):
    def __init__(self, file: BinaryIO, snapshot_of: Callable[[Objects], Snapshot] | None = None) -> None:
        super().__init__(file, 5)
        self._snapshot_of, self.snapshot = snapshot_of, None

    snapshot: Snapshot | None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, MappingProxyType):
            return _read_only, (dict(value),)
        if isinstance(value, Rule) and rules().get(value.id) is value:
            return _rule, (value.id,)
        if isinstance(value, Sensor) and sensors().get(value.id) is value:
            return _sensor, (value.id,)
        if isinstance(value, Policies) and self._snapshot_of is not None and self.snapshot is None:
            self.snapshot = self._snapshot_of(value.objects)
            return _policies, (replace(value, objects=()), self.snapshot.number)
        return NotImplemented


def _read_only(value: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(value)


def _rule(name: str) -> Rule:
    return rules()[name]


def _sensor(name: str) -> Sensor:
    return sensors()[name]


# -- in the worker -----------------------------------------------------------------------------------------------------

_HELD: dict[int, Objects] = {}
"""The newest snapshot that this worker was sent, by its number."""


def _policies(bare: Policies, number: int) -> Policies:
    return replace(bare, objects=_HELD[number])


def unpacked(frame: bytes) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Work of a frame, ready to be called."""
    sent, body = pickle.loads(frame)  # noqa: S301 - from the process that started us
    if sent is not None:
        number, parts = sent
        _HELD.clear()
        _HELD[number] = tuple(each for part in parts for each in pickle.loads(part))  # noqa: S301
    work: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] = pickle.loads(body)  # noqa: S301
    return work


def packed(value: Any) -> bytes:
    """A result on its way back."""
    body = io.BytesIO()
    _WorkPickler(body).dump(value)
    return body.getvalue()


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, waiting for it; None where the other side is gone."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    frame = stream.read(size)
    return frame if len(frame) == size else None
