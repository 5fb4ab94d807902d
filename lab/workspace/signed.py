"""HTTP mode: Slack posts to the app's address, and signs what it posts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import aiohttp

from lab.workspace.clock import WorkspaceClock
from lab.workspace.event_delivery import ACK_SECONDS, AppResponse, Envelope, NotAcked, within
from lab.workspace.people import App

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One request, to the last byte."""

    url: str
    headers: Mapping[str, str]
    body: str

    def with_headers(self, headers: Mapping[str, str]) -> SignedRequest:
        """The same request with some headers replaced."""
        return replace(self, headers={**self.headers, **headers})

    def with_body(self, body: str) -> SignedRequest:
        """The same headers over another body."""
        return replace(self, body=body)


def signature(secret: str, timestamp: str, body: str) -> str:
    """`X-Slack-Signature`, version 0 (Slack's "Verifying requests")."""
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return "v0=" + digest.hexdigest()


class SignedHttp:
    name = "http"

    def __init__(self, clock: WorkspaceClock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self.last: SignedRequest | None = None

    async def send(self, app: App, parcel: Envelope) -> AppResponse:
        request = make_request(app, parcel)
        self.last = request
        status, headers, text = await self._post(request)
        if status != 200:
            raise NotAcked("http_error", again=headers.get("x-slack-no-retry") != "1")
        return AppResponse(_payload(text))

    async def replay(self, request: SignedRequest) -> int:
        """The same bytes again; the status that the app answers."""
        return (await self._post(request))[0]

    async def greet(self, app: App, url: str) -> bool:
        """Slack's `url_verification`: the app must say the challenge."""
        body = json.dumps({"token": "lab", "challenge": "kai-lab-challenge", "type": "url_verification"})
        status, _, text = await self._post(_signed(app, url, body, "application/json", {}))
        return status == 200 and "kai-lab-challenge" in text

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _post(self, request: SignedRequest) -> tuple[int, Mapping[str, str], str]:
        work = asyncio.ensure_future(self._exchange(request))
        try:
            result: tuple[int, Mapping[str, str], str] = await within(self._clock, ACK_SECONDS, work)
        except TimeoutError as error:
            raise NotAcked("http_timeout") from error
        except aiohttp.ClientError as error:
            raise NotAcked("connection_failed") from error
        return result

    async def _exchange(self, request: SignedRequest) -> tuple[int, Mapping[str, str], str]:
        self._session = self._session or aiohttp.ClientSession()
        async with self._session.post(request.url, data=request.body.encode(), headers=request.headers) as response:
            return response.status, response.headers, await response.text()


def make_request(app: App, parcel: Envelope, at: float | None = None) -> SignedRequest:
    """As Slack writes it. Signed with the wall's time: the app checks it against its own clock, whatever ours says."""
    retry = {"X-Slack-Retry-Num": str(parcel.attempt), "X-Slack-Retry-Reason": parcel.reason} if parcel.attempt else {}
    if parcel.kind == "events_api":
        body, kind = json.dumps(parcel.payload), "application/json"
    elif parcel.kind == "slash_commands":
        body, kind = urlencode(parcel.payload), "application/x-www-form-urlencoded"
    else:
        body, kind = urlencode({"payload": json.dumps(parcel.payload)}), "application/x-www-form-urlencoded"
    return _signed(app, app.request_url or "", body, kind, retry, at)


def _signed(
    app: App, url: str, body: str, content_type: str, more: Mapping[str, str], at: float | None = None
) -> SignedRequest:
    timestamp = str(int(time.time() if at is None else at))
    headers = {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (KAI lab)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature(app.signing_secret, timestamp, body),
        **more,
    }
    return SignedRequest(url, headers, body)


def _payload(text: str) -> Any:
    """JSON when it is JSON, else the text itself; None when there is nothing."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return {"text": text}
