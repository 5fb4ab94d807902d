"""The objects of the cluster, each change with a number, and everybody who watches.

Objects are never changed in place: what was handed out stays what it was. The counter goes on from the highest
resourceVersion of the recording.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lab.cluster.refusal import expired
from lab.cluster.resources import Resource

Thing = dict[str, Any]
Name = tuple[str, str]  # namespace, name
MAX_EVENTS = 5000


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """Event on an object: ADDED, MODIFIED or DELETED. `before` is None for what was not there."""

    type: str
    resource: Resource
    thing: Thing
    before: Thing | None
    version: int


ChangeListener = Callable[[StoreEvent], None]


class ObjectStore:
    def __init__(self) -> None:
        self.version = 1
        self._things: dict[Resource, dict[Name, Thing]] = {}
        self._changes: deque[StoreEvent] = deque(maxlen=MAX_EVENTS)
        self._forgotten = 0
        self.listeners: list[ChangeListener] = []
        self._watchers: set[asyncio.Queue[StoreEvent]] = set()

    def load(self, resource: Resource, things: Iterable[Thing]) -> None:
        """Objects as they were recorded, their resourceVersion included; nobody is told."""
        for each in things:
            said = str(each["metadata"].get("resourceVersion", ""))
            self.version = max(self.version, int(said) if said.isdecimal() else 1)
            self._things.setdefault(resource, {})[name_of(each)] = each

    def get(self, resource: Resource, namespace: str, name: str) -> Thing | None:
        return self._things.get(resource, {}).get((namespace if resource.namespaced else "", name))

    def all(self, resource: Resource, namespace: str = "") -> list[Thing]:
        """In the order of the API server: by namespace and name."""
        items = sorted(self._things.get(resource, {}).items())
        return [each for (space, _), each in items if not namespace or space == namespace]

    def put(self, resource: Resource, thing: Thing) -> Thing:
        """Store a new or changed object under the next number, and tell everybody."""
        before = self._things.get(resource, {}).get(name_of(thing))
        self.version += 1
        stored = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
        self._things.setdefault(resource, {})[name_of(thing)] = stored
        self._tell(StoreEvent("MODIFIED" if before else "ADDED", resource, stored, before, self.version))
        return stored

    def remove(self, resource: Resource, thing: Thing) -> Thing:
        self.version += 1
        before = self._things[resource].pop(name_of(thing))
        gone = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
        self._tell(StoreEvent("DELETED", resource, gone, before, self.version))
        return gone

    # -- watching ------------------------------------------------------------------------------------------------------

    def since(self, version: int) -> list[StoreEvent]:
        """Events after that number. Raises `Refusal` (410) when the store has forgotten it."""
        if version < self._forgotten:
            raise expired()
        return [each for each in self._changes if each.version > version]

    def watch(self) -> asyncio.Queue[StoreEvent]:
        queue: asyncio.Queue[StoreEvent] = asyncio.Queue()
        self._watchers.add(queue)
        return queue

    def unwatch(self, queue: asyncio.Queue[StoreEvent]) -> None:
        self._watchers.discard(queue)

    def _tell(self, change: StoreEvent) -> None:
        if len(self._changes) == MAX_EVENTS:
            self._forgotten = self._changes[0].version
        self._changes.append(change)
        for each in self._watchers:
            each.put_nowait(change)
        for listener in self.listeners:
            listener(change)


def name_of(thing: Thing) -> Name:
    meta = thing["metadata"]
    return str(meta.get("namespace") or ""), str(meta["name"])
