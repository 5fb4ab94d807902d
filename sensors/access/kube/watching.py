"""Follows the objects of a kind as they change: a list, then a watch from its resourceVersion, while somebody reads.

What the server has forgotten (410) is listed anew and compared: no change is missed, only the steps between two.
Source: Kubernetes API concepts, "Efficient detection of changes" (watch, bookmarks, resource versions).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from sensors.access.kube.failure import refused, resource_of, unreachable
from sensors.access.kube.lists import LIST_PAGE_SIZE, MAX_OBJECTS, path_to, read_page
from sensors.access.kube.wire import CONNECT_WITHIN, MIB, ApiConnection, url_of
from sensors.kit.cluster import Object
from sensors.kit.kinds import Kind
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import name_of, namespace_of, text

if TYPE_CHECKING:
    import aiohttp

WATCH_S = 240
"""Seconds after which the server ends a watch in good order; the next one goes on where it stopped."""

SILENCE_S = WATCH_S + 30
MAX_EVENT_BYTES = 4 * MIB
HTTP_GONE = 410


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object before (None: it was made) and after (None: it was deleted).

    `missed`: found by comparing with an earlier list, so it is known that it was changed, and not when.
    """

    kind: Kind
    before: Object | None
    after: Object | None
    missed: bool = False


@dataclass(slots=True)
class KnownObjects:
    """Last state of each object of a kind; kept by who goes on after a broken connection."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    is_listed: bool = False


class Watching:
    """One kind in all namespaces. What changed since `known` was last kept comes first."""

    def __init__(self, wire: ApiConnection, kind: Kind, known: KnownObjects | None = None) -> None:
        self._wire, self._kind = wire, kind
        self._known = known if known is not None else KnownObjects()
        self._version = ""

    async def changes(self) -> AsyncGenerator[ObjectChange, None]:
        """Every change from now on, for ever. Raises `Absent` (not installed), `Blind` (no right, no answer)."""
        while True:
            if not self._version:
                is_first = not self._known.is_listed
                missed = list(self._compared(await self._listed()))
                for each in () if is_first else missed:
                    yield each
            async for each in self._followed():
                yield each

    async def _listed(self) -> list[Object]:
        found, more, version = list[Object](), "", ""
        while True:
            query = [("limit", str(LIST_PAGE_SIZE)), *([("continue", more)] if more else [])]
            answer = await self._wire.ask(path_to(self._kind), query)
            if not answer.good:
                raise _no_list(self._kind, answer.status, answer.body)
            page, more, _ = read_page(self._kind, answer.body)
            version = version or text(msgspec.json.decode(answer.body), "metadata", "resourceVersion")
            found += page
            if not more:
                self._version = version
                return found
            if len(found) >= MAX_OBJECTS:
                raise Blind(f"{resource_of(self._kind)}: more than {MAX_OBJECTS}, too many to follow")

    def _compared(self, listed: Iterable[Object]) -> Iterator[ObjectChange]:
        now = {_key(each): each for each in listed}
        before, self._known.objects, self._known.is_listed = self._known.objects, now, True
        for key in [*before, *(each for each in now if each not in before)]:
            if _version(before.get(key)) != _version(now.get(key)):
                yield ObjectChange(self._kind, before.get(key), now.get(key), missed=True)

    async def _followed(self) -> AsyncIterator[ObjectChange]:
        """Until the server ends it, or has forgotten where we were."""
        async for line in self._lines():
            kind, thing = _event(line)
            if kind == "ERROR":
                self._version = ""  # mostly 410: everything is listed anew
                return
            self._version = _version(thing) or self._version
            if (change := self._taken(kind, thing)) is not None:
                yield change

    def _taken(self, kind: str, thing: Object) -> ObjectChange | None:
        if kind not in ("ADDED", "MODIFIED", "DELETED"):
            return None  # a bookmark
        whole = {"apiVersion": self._kind.api, "kind": self._kind.name, **thing}
        before = self._known.objects.pop(_key(whole), None)
        if kind == "DELETED":
            return ObjectChange(self._kind, before or whole, None)
        self._known.objects[_key(whole)] = whole
        return ObjectChange(self._kind, before, whole)

    async def _lines(self) -> AsyncIterator[bytes]:
        import aiohttp

        query = [("watch", "1"), ("resourceVersion", self._version), ("allowWatchBookmarks", "true")]
        url = url_of(self._wire.place.server, path_to(self._kind), [*query, ("timeoutSeconds", str(WATCH_S))])
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_WITHIN, sock_read=SILENCE_S)
        try:
            got = await self._wire.api.call_api("GET", url, await self._wire.headers(), _request_timeout=timeout)
            async with got.response as response:
                if response.status == HTTP_GONE:
                    self._version = ""
                    return
                if response.status != 200:
                    body = await response.content.read(MIB)
                    raise Blind(refused(response.status, body, f"{resource_of(self._kind)} cannot be watched"))
                async for line in _lines_of(response):
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as why:
            raise Blind(unreachable(why, self._wire.place.server)) from None


async def _lines_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    carry = b""
    async for chunk in response.content.iter_any():
        *lines, carry = (carry + chunk).split(b"\n")
        for each in lines:
            if each.strip():
                yield each
        if len(carry) > MAX_EVENT_BYTES:
            raise Blind("the API server tells of a change in more than 4 MiB")


def _event(line: bytes) -> tuple[str, Object]:
    """The watch event of a line; an error where the line is none."""
    try:
        said: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return "ERROR", {}
    thing = said.get("object") if isinstance(said, dict) else None
    return (str(said.get("type")), thing) if isinstance(thing, dict) else ("ERROR", {})


def _no_list(kind: Kind, status: int, body: bytes) -> Absent | Blind:
    if status == 404:
        return Absent(f"{resource_of(kind)} are not installed in this cluster")
    return Blind(refused(status, body, f"{resource_of(kind)} cannot be listed"))


def _key(thing: Object) -> tuple[str, str]:
    return namespace_of(thing), name_of(thing)


def _version(thing: Object | None) -> str:
    return "" if thing is None else text(thing, "metadata", "resourceVersion")
