"""Lists all objects of a kind, page by page, as `kubectl get -o yaml` would show them.

What is not installed is `Absent`, what must not be read is `Blind`. The two look alike from outside: without a right
the API server answers 403 for a kind that does not exist, too, and a CRD may be served in another version than ours.
So both 403 and 404 are checked against the server's own list of what it serves, which every user may read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from sensors.access.kube.compact import EqualParts, compact
from sensors.access.kube.failure import in_words, no_right, plural_of, refused, resource_of
from sensors.access.kube.wire import MIB, ApiConnection, HttpResponse, path_of
from sensors.kit.cluster import Object
from sensors.kit.kinds import CONFIG_MAP, NODE, Kind
from sensors.kit.model import Absent, Blind, TooMany
from sensors.kit.objects import items, namespace_of, number, text

LIST_PAGE_SIZE = 500
MAX_OBJECTS = 100_000
MAX_LIST_BYTES = 128 * MIB
"""About 20,000 pods as they come; as objects they take 300 MB here, and half of that in a worker."""

MAX_NODE_BYTES = 256 * MIB
"""Of a node most are names of images, which are not kept."""

LIST_TIMEOUT_S = 30.0
BUILT_IN = frozenset({"", "apps", "networking.k8s.io", "discovery.k8s.io"})
STORED_ELSEWHERE = {"projectcalico.org": "crd.projectcalico.org"}
"""Calico stores its policies in another group; ours is there only where its own API server is installed."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists over one connection: `page` objects at a time, `within` seconds for all pages, about `most` objects."""

    wire: ApiConnection
    page: int = LIST_PAGE_SIZE
    within: float = LIST_TIMEOUT_S
    most: int = MAX_OBJECTS

    async def of(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """Every object of the kind. Raises `Absent` (kind not installed) or `Blind` (no right, no answer, too many)."""
        try:
            async with asyncio.timeout(self.within):
                return await self._of(kind, namespace)
        except TimeoutError:
            raise Blind(f"{resource_of(kind)} were not listed within {self.within:g} s") from None

    async def _of(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        answer = await self._pages(kind, namespace)
        if answer.objects is not None:
            return answer.objects
        if kind.group not in BUILT_IN and answer.refusal.status in (403, 404):
            return await self._elsewhere(kind, namespace, answer.refusal)
        raise Blind(_refusal(kind, namespace, answer.refusal))

    async def _elsewhere(self, kind: Kind, namespace: str | None, refusal: HttpResponse) -> tuple[Object, ...]:
        """A CRD that was refused or not found: not installed, served in another version, or really not for us."""
        versions = [api for api, plurals in (await self.serving(kind.group)).items() if plural_of(kind) in plurals]
        if not versions:
            return await self._stored(kind, namespace)
        if kind.api in versions:
            raise Blind(_refusal(kind, namespace, refusal))
        return await self._of(replace(kind, api=versions[0]), namespace)

    async def _stored(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        """The same objects where they are stored as another group. Raises `Absent` where that is not there either."""
        store = STORED_ELSEWHERE.get(kind.group, "")
        served = await self.serving(store) if store else {}
        version = next((api for api, plurals in served.items() if plural_of(kind) in plurals), None)
        if version is None:
            raise Absent(f"{resource_of(kind)} are not installed in this cluster")
        return await self._of(replace(kind, api=version), namespace)

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def _pages(self, kind: Kind, namespace: str | None) -> _Pages:
        """All pages; when the server has forgotten the list under way (410), once more from the beginning."""
        found = await self._walk(kind, namespace)
        return await self._walk(kind, namespace) if found.refusal.status == 410 else found

    async def _walk(self, kind: Kind, namespace: str | None) -> _Pages:
        path, found, more, size = path_to(kind, namespace), list[Object](), "", 0
        known, largest = EqualParts(), MAX_NODE_BYTES if kind is NODE else MAX_LIST_BYTES
        where = f"{resource_of(kind)} {in_words(namespace)}"
        while True:
            query = [("limit", str(self.page)), *([("continue", more)] if more else [])]
            answer = await self.wire.ask(path, query)
            if not answer.good:
                return _Pages(None, answer)
            page, more, rest = read_page(kind, answer.body)
            if more or found:
                compact(page, known)
            found += page
            size += len(answer.body)
            if not more:
                return _Pages(tuple(found), answer)
            if rest and (len(found) + rest > self.most or size * (len(found) + rest) > largest * max(len(found), 1)):
                raise TooMany(f"{where}: {len(found) + rest:,}, too many to read")
            if len(found) >= self.most or size > largest:
                raise TooMany(f"{where}: more than {len(found):,}, too many to read")

    # -- what the server serves ----------------------------------------------------------------------------------------

    async def serving(self, group: str) -> Mapping[str, frozenset[str]]:
        """Plurals by `group/version`, the preferred version first; empty where the group does not exist."""
        answer = await self.wire.ask(path_of("apis", group))
        if answer.status == 404:
            return {}
        said = _json(answer, f"cannot tell whether {group} is installed")
        versions = [text(each, "groupVersion") for each in items(said, "versions")]
        preferred = text(said, "preferredVersion", "groupVersion")
        ordered = sorted(filter(None, versions), key=lambda each: each != preferred)
        return {each: await self._plurals(each) for each in ordered}

    async def _plurals(self, api: str) -> frozenset[str]:
        said = _json(await self.wire.ask(path_of("apis", *api.split("/"))), f"cannot tell what {api} serves")
        return frozenset(text(each, "name") for each in items(said, "resources"))


@dataclass(frozen=True, slots=True)
class _Pages:
    """All objects, or None and the answer that was not a list."""

    objects: tuple[Object, ...] | None
    refusal: HttpResponse


def path_to(kind: Kind, namespace: str | None = None) -> str:
    """The URL path of a kind; `namespace` is of no meaning for kinds that have none."""
    root = ("apis", *kind.api.split("/")) if kind.group else ("api", kind.api)
    space = ("namespaces", namespace) if namespace and kind.namespaced else ()
    return path_of(*root, *space, plural_of(kind))


def read_page(kind: Kind, body: bytes) -> tuple[list[dict[str, Any]], str, int]:
    """Objects with the apiVersion and kind that a list leaves out, the token for the next page, and how many more
    there are, 0 where the server does not say."""
    said = _decoded(body)
    if not isinstance(said, dict) or "items" not in said or not isinstance(said["items"] or [], list):
        raise Blind(f"the list of {resource_of(kind)} is not a list ({body[:60].decode(errors='replace')!r})")
    head = {"apiVersion": text(said, "apiVersion") or kind.api, "kind": kind.name}
    found = [{**head, **each} for each in items(said, "items")]
    return found, text(said, "metadata", "continue"), number(said, "metadata", "remainingItemCount") or 0


def _refusal(kind: Kind, namespace: str | None, answer: HttpResponse) -> str:
    space = namespace if kind.namespaced else None
    if answer.status == 403:
        return no_right("list", resource_of(kind), space, answer.body)
    return refused(answer.status, answer.body, f"{resource_of(kind)} {in_words(space)} could not be listed")


def _json(answer: HttpResponse, what: str) -> Any:
    said = _decoded(answer.body) if answer.good else None
    if not isinstance(said, dict):
        raise Blind(refused(answer.status, answer.body, what))
    return said


def _decoded(body: bytes) -> Any:
    """Lists are megabytes, and whatever else runs in this process waits meanwhile: msgspec takes half the time."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


# -- remembering -------------------------------------------------------------------------------------------------------

Read = Callable[[Kind, str | None], Coroutine[Any, Any, tuple[Object, ...]]]


class RememberingLists:
    """Lists for one investigation: sensors that ask for the same kind at once cost one list, and see one state.

    ConfigMaps hold what is nobody's business, and all that a sensor wants of them are the network's own settings:
    asked for in all namespaces, they are read in `system_namespaces` only. A failed read is remembered, too.
    A sensor that gives up does not end the read of the others; `close` ends what is still under way.
    """

    def __init__(self, read: Read, system_namespaces: tuple[str, ...] = ("kube-system",)) -> None:
        self._read = read
        self._system = system_namespaces
        self._reading: dict[tuple[Kind, str | None], asyncio.Task[tuple[Object, ...]]] = {}

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """As `Cluster.objects`."""
        if not kind.namespaced or namespace is None:
            return await self._everywhere(kind)
        if (kind, None) in self._reading:
            with suppress(TooMany):
                return tuple(each for each in await self._once(kind, None) if namespace_of(each) == namespace)
        return await self._once(kind, namespace)

    async def close(self) -> None:
        """End the reads under way, and forget the lists. Whoever still waits for one is blind."""
        for each in self._reading.values():
            each.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)
        self._reading.clear()

    async def _everywhere(self, kind: Kind) -> tuple[Object, ...]:
        if kind is not CONFIG_MAP:
            return await self._once(kind, None)
        parts = await asyncio.gather(*(self._once(kind, each) for each in self._system))
        return tuple(each for part in parts for each in part)

    async def _once(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        key = (kind, namespace)
        if key not in self._reading:
            self._reading[key] = asyncio.create_task(self._read(kind, namespace))
            self._reading[key].add_done_callback(_failed)  # looked at even if nobody waits any more
        reading = self._reading[key]
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            if reading.cancelled():
                raise Blind(f"{resource_of(kind)} were not read to the end: the look is over") from None
            raise


def _failed(reading: asyncio.Task[tuple[Object, ...]]) -> bool:
    return not reading.cancelled() and reading.exception() is not None
