"""Asks the API server one thing: bounded in time and size, with one retry where a retry helps.

A retry follows 429, 5xx and a broken connection, after what `Retry-After` asks for and two seconds at most; the
server's second word counts. All our requests read (an access review stores nothing), so that asking twice is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from sensors.access.kube.failure import not_accepted, unreachable
from sensors.access.kube.kubeconfig import ClusterContext
from sensors.kit.model import Blind

if TYPE_CHECKING:
    import aiohttp
    from kubernetes.aio.client import ApiClient

MIB = 1024 * 1024
MAX_BODY = 64 * MIB
CONNECT_WITHIN = 3.0
REQUEST_TIMEOUT_S = 10.0
MAX_RETRY_PAUSE_S = 2.0
RETRY_PAUSE_S = 0.2

Query = Sequence[tuple[str, str]]
JSON, ANYTHING = "application/json", "*/*"
"""What is asked for. A request that the API server hands on (to a kubelet: logs, exec; to a pod: proxy) must take
anything: a kubelet's router answers 406 to a request for JSON alone, since its routes do not say what they produce."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Response of the server; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def deserves_retry(self) -> bool:
        return self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True)
class ApiConnection:
    """The connection. `pause` waits before a retry; tests give one that does not."""

    api: ApiClient
    place: ClusterContext
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def ask(
        self,
        path: str,
        query: Query = (),
        *,
        method: str = "GET",
        body: Any = None,
        limit: int = MAX_BODY,
        within: float = REQUEST_TIMEOUT_S,
        accept: str = JSON,
    ) -> HttpResponse:
        """The server's answer, whatever its status but 401. Raises `Blind` when there is none, or none we may use."""
        asked = _Asked(method, url_of(self.place.server, path, query), body, limit, accept)
        try:
            async with asyncio.timeout(within):
                answer = await self._ask_twice(asked)
        except TimeoutError:
            raise Blind(f"the API server {self.place.server} gave no answer within {within:g} s") from None
        if answer.status == 401:
            raise Blind(not_accepted(self.place.name))
        return answer

    async def _ask_twice(self, asked: _Asked) -> HttpResponse:
        try:
            answer = await self._ask_once(asked)
        except _Broken:
            await self.pause(RETRY_PAUSE_S)
            return await self._last_try(asked)
        if not answer.deserves_retry:
            return answer
        await self.pause(pause_asked(answer))
        return await self._last_try(asked)

    async def _last_try(self, asked: _Asked) -> HttpResponse:
        try:
            return await self._ask_once(asked)
        except _Broken as broken:
            raise Blind(broken.why) from None

    async def _ask_once(self, asked: _Asked) -> HttpResponse:
        import aiohttp

        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_WITHIN)
        headers = await self.headers(asked.accept)
        try:
            got = await self.api.call_api(asked.method, asked.url, headers, body=asked.body, _request_timeout=timeout)
            async with got.response as response:
                return await _read(response, asked.limit)
        except aiohttp.ClientConnectorError as why:
            raise Blind(unreachable(why, self.place.server)) from None
        except (
            aiohttp.ServerDisconnectedError,
            aiohttp.ClientPayloadError,
            ConnectionError,
            aiohttp.ClientOSError,
        ) as why:
            raise _Broken(unreachable(why, self.place.server)) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as why:
            raise Blind(unreachable(why, self.place.server)) from None

    async def headers(self, accept: str = JSON) -> dict[str, str]:
        """Accept and Authorization; the client renews an expired token here."""
        headers: dict[str, str] = {"Accept": accept, "User-Agent": "kai-netdebug"}
        await self.api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return headers


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request as it goes out, and how much of an answer to it is taken."""

    method: str
    url: str
    body: Any
    limit: int
    accept: str


class _Broken(Exception):
    """The connection broke off on the way; the request may be asked again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def _read(response: aiohttp.ClientResponse, limit: int) -> HttpResponse:
    """The body up to `limit` bytes, counted after decompression; more is refused, never cut."""
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(256 * 1024):
        size += len(chunk)
        if size > limit:
            raise Blind(f"the API server's answer is larger than {limit // MIB} MiB")
        parts.append(chunk)
    return HttpResponse(
        response.status, {key.lower(): value for key, value in response.headers.items()}, b"".join(parts)
    )


def pause_asked(answer: HttpResponse) -> float:
    """Seconds to wait before the retry: `Retry-After` where it is a number, two at most."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), MAX_RETRY_PAUSE_S) if said.isascii() and said.isdigit() else RETRY_PAUSE_S


def url_of(server: str, path: str, query: Query) -> str:
    return f"{server}{path}{'?' if query else ''}{urlencode(query, quote_via=quote)}"


def path_of(*parts: str) -> str:
    """A path of escaped parts: a name can never leave its place."""
    return "".join(f"/{quote(each, safe='')}" for each in parts)
