"""One request to the API server, sent once: no retry of ours, none of the HTTP library, no kept connection.

The reader's client (`sensors.access.kube.wire`) asks twice where a connection breaks; a write must not go out twice.
aiohttp repeats PUT and DELETE by itself when a connection breaks before an answer has come, so that is switched off,
and each request has a connection of its own. Whether it was sent at all is known: `NotSent` or `AnswerLost`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from multidict import CIMultiDict

from bot.patch.model import PROPOSAL_ANNOTATION, Approver
from sensors.access.kube import ClusterContext
from sensors.access.kube.failure import status_of, unreachable
from sensors.access.kube.wire import CONNECT_WITHIN, MIB, Query, url_of
from sensors.kit.model import Blind
from sensors.kit.objects import one_line, text

if TYPE_CHECKING:
    import aiohttp
    from kubernetes.aio.client import ApiClient

ANSWER_LIMIT = 8 * MIB
WRITE_TIMEOUT_S = 15.0
"""Seconds for one request. An API server gives up on its own after 60 (`--request-timeout`)."""


AUDIT_ID = "Audit-Id"
"""The header of each answer of an API server. Source: apiserver/pkg/apis/audit, HeaderAuditID."""


class NotSent(Exception):
    """The request never left: nobody can have acted on it."""


class AnswerLost(Exception):
    """The request may have been acted on, and no usable answer came."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """Response of the API server: status, and its body as an object (empty where it is none).

    `audit_id` names the request in the API server's own audit log.
    """

    status: int
    body: Mapping[str, Any]
    audit_id: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Its own message. A long one quotes the whole object in its middle: what is wrong stands at the end."""
        said = text(self.body, "message")
        said = said if len(said) <= 600 else f"{said[:150]} … {said[-400:]}"
        return one_line(said, 600) or f"the API server answered {self.status}"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request. `agent` is the User-Agent, `approver` in whose name (None: our own), `why` goes to their extra."""

    method: str
    path: str
    agent: str
    query: Query = ()
    body: Any = None
    content_type: str = "application/json"
    approver: Approver | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class WriteConnection:
    """A way to the API server that sends each call once. Make one with `open_line`."""

    api: ApiClient
    session: aiohttp.ClientSession
    place: ClusterContext
    within: float = WRITE_TIMEOUT_S

    async def send(self, call: ApiCall) -> ApiResponse:
        """The answer, whatever its status. Raises `NotSent`, `AnswerLost`."""
        import aiohttp

        try:
            async with asyncio.timeout(self.within):
                return await self._send(call)
        except aiohttp.ClientConnectorError as why:
            raise NotSent(unreachable(why, self.place.server)) from None
        except Blind as why:  # a redirect, or a credential plugin that failed
            raise NotSent(str(why)) from None
        except TimeoutError:
            raise AnswerLost(f"the API server {self.place.server} gave no answer within {self.within:g} s") from None
        except (aiohttp.ClientError, OSError) as why:
            raise AnswerLost(unreachable(why, self.place.server)) from None

    async def _send(self, call: ApiCall) -> ApiResponse:
        url = url_of(self.place.server, call.path, call.query)
        body = None if call.body is None else json.dumps(call.body).encode()
        async with self.session.request(
            call.method, url, data=body, headers=await self._all_headers(call), allow_redirects=False, **self._way()
        ) as response:
            audit_id = one_line(response.headers.get(AUDIT_ID, ""), 64)
            return ApiResponse(response.status, status_of(await _whole(response)), audit_id)

    async def _all_headers(self, call: ApiCall) -> CIMultiDict[str]:
        headers = CIMultiDict(await self._headers(call))
        if call.approver is not None:
            headers.extend(impersonation(call.approver, call.why))
        return headers

    async def _headers(self, call: ApiCall) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": call.agent, "Content-Type": call.content_type}
        await self.api.update_params_for_auth(headers, [], ["BearerToken"], "", call.method, None)
        return headers

    def _way(self) -> dict[str, Any]:
        settings = self.place.configuration
        options = {"proxy": settings.proxy, "proxy_headers": settings.proxy_headers}
        options["server_hostname"] = settings.tls_server_name
        return {key: value for key, value in options.items() if value}


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body. One that is too large says nothing about what became of the request."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(256 * 1024):
        parts.append(part)
        size += len(part)
        if size > ANSWER_LIMIT:
            raise AnswerLost(f"the API server's answer is larger than {ANSWER_LIMIT // MIB} MiB")
    return b"".join(parts)


def impersonation(approver: Approver, why: str = "") -> Sequence[tuple[str, str]]:
    """The headers that make a request the approver's own. Keys of extras are percent-encoded, as Kubernetes wants it.

    `why` is the proposal's id: with it the API server's audit log tells what the change was for.
    """
    extras = [(key, value) for key, values in approver.extra.items() if key != PROPOSAL_ANNOTATION for value in values]
    extras += [(PROPOSAL_ANNOTATION, why)] if why else []
    return (
        ("Impersonate-User", approver.user),
        *(("Impersonate-Group", each) for each in approver.groups),
        *((f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for key, value in extras),
    )


@asynccontextmanager
async def open_line(place: ClusterContext, within: float = WRITE_TIMEOUT_S) -> AsyncIterator[WriteConnection]:
    """A way to the API server of `place`, with its credentials and its TLS."""
    import aiohttp
    from kubernetes.aio.client import ApiClient

    api = ApiClient(place.configuration)
    connector = aiohttp.TCPConnector(ssl=api.rest_client.ssl_context, force_close=True)
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_WITHIN)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session:
        session._retry_connection = False  # it would send a DELETE again; tests/bot/patch counts what arrives
        yield WriteConnection(api, session, place, within)
