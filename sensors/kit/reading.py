"""Reads what a look can do without: the value, or why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import POD, Kind
from sensors.kit.model import Absent, Blind, TooMany

Value = TypeVar("Value")

NOWHERE: Mapping[Kind, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kinds:
    """Objects of several kinds, as far as they could be read. `unread` keeps the reasons of the others."""

    found: Mapping[Kind, tuple[Object, ...]]
    unread: Mapping[Kind, str]

    def of(self, kind: Kind) -> tuple[Object, ...]:
        """The objects, none where the kind could not be read: only where that difference does not matter."""
        return self.found.get(kind, ())

    def known(self, kind: Kind) -> tuple[Object, ...] | None:
        """The objects, or None where the kind could not be read."""
        return self.found.get(kind)

    @property
    def complaints(self) -> tuple[str, ...]:
        return tuple(f"{kind.plural}: {why}" for kind, why in self.unread.items())


async def if_readable(reading: Awaitable[Value]) -> tuple[Value | None, str]:
    """Value and an empty reason, or None and the reason. Only for facts without which the rest stays true."""
    try:
        return await reading, ""
    except (Absent, Blind) as why:
        return None, str(why) or type(why).__name__.lower()


async def pods_near(cluster: Cluster, *namespaces: str) -> tuple[Object, ...]:
    """All pods, or those of these namespaces where all are too many to be read. Raises as `Cluster.objects` does."""
    try:
        return await cluster.objects(POD)
    except TooMany:
        parts = await asyncio.gather(*(cluster.objects(POD, each) for each in dict.fromkeys(namespaces)))
        return tuple(pod for part in parts for pod in part)


async def read_kinds(
    cluster: Cluster, *kinds: Kind, within: Mapping[Kind, str] = NOWHERE, near: tuple[str, ...] = ()
) -> Kinds:
    """Read whole kinds at once, each for itself; of those in `within` the objects of that namespace.

    With `near`, pods as `pods_near` reads them.
    """

    def read(kind: Kind) -> Awaitable[tuple[Object, ...]]:
        return pods_near(cluster, *near) if near and kind is POD else cluster.objects(kind, within.get(kind))

    readings = await asyncio.gather(*(if_readable(read(kind)) for kind in kinds))
    pairs = tuple(zip(kinds, readings, strict=True))
    found = {kind: objects for kind, (objects, _) in pairs if objects is not None}
    return Kinds(found, {kind: why for kind, (objects, why) in pairs if objects is None})
