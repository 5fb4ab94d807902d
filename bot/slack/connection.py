"""The way to Slack: a socket that KAI opens itself, or signed HTTP that Slack sends; the same listeners behind both."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import ClientError, web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.slack.api_error import FOR_NOW, error_of, scopes_in
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two looks at the socket."""

PING_TIMEOUT_S = 45.0
"""A socket that answered no ping for so long is dead, whatever it says of itself."""

PROOF = 60.0
"""Seconds between two calls that show that Slack still knows us, while nobody asks anything."""

CONNECT_TIMEOUT_S = 20.0
"""Seconds for one attempt to open a line."""

LONGEST_STAMP = 12
"""Digits of a time in seconds."""

_BAD = frozenset(
    {"invalid_auth", "not_authed", "not_allowed_token_type", "missing_scope", "token_revoked", "account_inactive"}
)


Client: TypeAlias = AsyncWebClient
"""What speaks to Slack's Web API, for those outside this folder."""


class BadToken(ValueError):
    """Slack does not take the token. The message is one line and never holds it."""


@dataclass(frozen=True, slots=True)
class WorkspaceIdentity:
    """Identity of KAI in this workspace. `enterprise`, `app` and `scopes` are empty where Slack does not say."""

    team: str
    bot_user: str
    bot_id: str
    enterprise: str = ""
    app: str = ""
    scopes: frozenset[str] = frozenset()


Answered: TypeAlias = Callable[[str, str], None]
"""Hears of each call: the method, and `ok`, Slack's word for what is wrong, or `no_answer`."""


class _ObservedClient(AsyncWebClient):
    """Says how each call ended, after what it tried again by itself."""

    answered: Answered | None = None

    async def api_call(self, api_method: str, **more: Any) -> AsyncSlackResponse:
        outcome = "no_answer"
        try:
            answer = await super().api_call(api_method, **more)
            outcome = "ok"
        except SlackApiError as why:
            outcome = error_of(why)
            raise
        finally:
            if self.answered is not None:
                self.answered(api_method, outcome)
        return answer


def web_client(token: str, api_url: str, *, patient: bool = True, answered: Answered | None = None) -> AsyncWebClient:
    """A client that tries again. The outbox does so by itself, and takes one that is not `patient`."""
    client = _ObservedClient(token=token, base_url=api_url, timeout=15)
    client.answered = answered
    client.retry_handlers = [AsyncConnectionErrorRetryHandler(max_retry_count=2)] if patient else []
    if patient:
        client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=10))
        client.retry_handlers.append(AsyncServerErrorRetryHandler(max_retry_count=2))
    return client


async def identify(client: AsyncWebClient) -> WorkspaceIdentity:
    """Ask once who we are. Raises `BadToken`, or `OSError` when Slack cannot be asked just now."""
    try:
        it = await client.auth_test()
    except SlackApiError as why:
        if error_of(why) in FOR_NOW:
            raise ConnectionError(f"{client.base_url} answers with {error_of(why) or 'no JSON'}") from None
        raise BadToken(f"Slack does not take SLACK_BOT_TOKEN: {error_of(why)}") from None
    more = (str(it.get("enterprise_id") or ""), str(it.get("app_id") or ""), scopes_in(it.headers))
    return WorkspaceIdentity(str(it["team_id"]), str(it["user_id"]), str(it["bot_id"]), *more)


async def app_of(client: AsyncWebClient, identity: WorkspaceIdentity) -> str:
    """Our app's id, with which every press of a button is compared; empty where Slack does not say."""
    if identity.app or not identity.bot_id:
        return identity.app
    try:
        bot = (await client.bots_info(bot=identity.bot_id)).get("bot") or {}
    except (SlackApiError, ClientError, TimeoutError, OSError) as why:
        log.warning("which app this is cannot be found out: %s", why)
        return ""
    return str(bot.get("app_id") or "")


def bolt(client: AsyncWebClient, identity: WorkspaceIdentity, signing_secret: str) -> AsyncApp:
    """The app. Who we are is known already, so that no listener waits for it; without a secret, only a socket works."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=identity.enterprise or None,
            team_id=identity.team,
            bot_user_id=identity.bot_user,
            bot_id=identity.bot_id,
            bot_token=client.token,
        )

    nameless = AsyncWebClient(base_url=client.base_url, timeout=client.timeout)
    nameless.retry_handlers = list(client.retry_handlers)
    logging.getLogger("slack_bolt.AsyncApp").addFilter(_is_worth_saying)
    return AsyncApp(
        name="kai",  # else Bolt reads the source of all that called it, and a megabyte of lines stays
        client=nameless,
        authorize=authorize,
        signing_secret=signing_secret or "unused: nothing comes over HTTP",
    )


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Bolt reads SLACK_BOT_TOKEN by itself, and warns at each start that it will not use it."""
    return record.getMessage() != warning_client_prioritized_and_token_skipped()


class Socket:
    """Socket Mode, watched: a line that is open and dead is closed and dialled anew."""

    def __init__(
        self, app: AsyncApp, app_token: str, web: AsyncWebClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = AsyncSocketModeHandler(app, app_token, ping_interval=10).client
        self._web, self._clock = web, clock
        self._proved = clock()
        self.is_up = False

    async def check(self) -> None:
        """Raises `BadToken` when Slack does not take the app's token; whether Slack can be reached does not matter."""
        with suppress(ClientError, TimeoutError, OSError):
            try:
                async with asyncio.timeout(LOOK):
                    await self._web.apps_connections_open(app_token=self._client.app_token)
            except SlackApiError as why:
                if error_of(why) in _BAD:
                    raise BadToken(f"Slack does not take SLACK_APP_TOKEN: {error_of(why)}") from None

    async def run(self) -> None:
        """Connect, and stay connected until cancelled."""
        await self._dial()
        while True:
            self.is_up = await self._client.is_connected()
            await asyncio.sleep(LOOK)
            await self._watch()

    async def _dial(self) -> None:
        """A new address each time: the client itself would try one that has expired for ever."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.connect_to_new_endpoint(force=True)
        except (SlackApiError, ClientError, TimeoutError, OSError) as why:
            log.warning("no line to Slack yet: %s", type(why).__name__)

    async def _watch(self) -> None:
        dead = not await self._client.is_connected() or self._silent()
        if not dead and self._clock() - self._proved >= PROOF:
            self._proved = self._clock()
            dead = not await self._knows_us()
        if dead:
            log.warning("the line to Slack is dead: dialling again")
            self.is_up = False
            await self._dial()

    def _silent(self) -> bool:
        last = self._client.last_ping_pong_time
        return last is not None and self._clock() - float(last) > PING_TIMEOUT_S

    async def _knows_us(self) -> bool:
        try:
            await self._web.auth_test()
        except (SlackApiError, ClientError, TimeoutError, OSError) as why:
            log.warning("Slack does not answer: %s", why)
            return False
        return True

    async def close(self) -> None:
        """No more envelopes."""
        self.is_up = False
        await self._client.close()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def open_socket(app: AsyncApp, app_token: str, web: AsyncWebClient) -> AsyncIterator[Socket]:
    """A socket that connects in the background, and again and again. Raises `BadToken`."""
    socket = Socket(app, app_token, web)
    await socket.check()
    running = asyncio.create_task(socket.run())
    try:
        yield socket
    finally:
        running.cancel()
        await asyncio.wait({running})
        await socket.close()


def http_handler(app: AsyncApp, signing_secret: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Signed requests of Slack, for all listeners. Nothing reads a body that is not signed."""
    signatures = SignatureVerifier(signing_secret)

    async def received(request: web.Request) -> web.StreamResponse:
        if not is_signed(signatures, await request.read(), request.headers):
            log.warning("a request to /slack/events is refused: it is not signed by Slack (from %s)", request.remote)
            return web.Response(status=401)
        asked = await attempt(to_bolt_request(request))
        if isinstance(asked, BaseException):
            log.warning("a request of Slack cannot be read: %s", type(asked).__name__)
            return web.Response(status=400)
        return await to_aiohttp_response(await app.async_dispatch(asked))

    return received


def is_signed(signatures: SignatureVerifier, body: bytes, headers: Mapping[str, str]) -> bool:
    """By Slack, in the last five minutes. The library's check raises for a body that is no text and for odd stamps."""
    stamp, signature = (headers.get(f"X-Slack-{each}", "") for each in ("Request-Timestamp", "Signature"))
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= LONGEST_STAMP and signature.isascii()):
        return False
    try:
        return signatures.is_valid(body, stamp, signature)
    except UnicodeDecodeError:
        return False
