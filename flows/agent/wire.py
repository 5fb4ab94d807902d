"""The only user of the anthropic SDK. Importing this module takes a second and 80 MB: only `flows.agent.clients` does.

Read from the SDK, version 2.14: typed errors with their status, streams of events, `usage` in the first and the last
event, and the end of life of models. Retries are our own, since only we know how much time is left.
"""

from __future__ import annotations

import asyncio
import re
import time
import typing
import warnings
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import anthropic
from anthropic.resources.messages import DEPRECATED_MODELS
from anthropic.types import Model

from flows.agent.clients import Models
from flows.agent.money import SpentTokens
from flows.agent.reply import ModelReply, NoAnswer, ToolCall
from flows.agent.settings import ClaudeSettings
from sensors.kit.attempt import attempt

MAX_RETRIES = 2
USUAL_PAUSES_S = (0.5, 1.0, 2.0)
CONNECT_S = 2.0
LONGEST_WORDS = 160
"""Characters of the API's own words in a sentence of ours."""

_COUNTED = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
"""The fields of `usage`, in the order of `SpentTokens`."""


class ClaudeConnection:
    """A client for as long as it is open."""

    def __init__(self, settings: ClaudeSettings) -> None:
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=r"flows\.agent\.wire"
        )  # the doctor says it
        self._settings, self._client = settings, _client(settings)

    async def close(self) -> None:
        await self._client.close()

    async def send(
        self, request: Mapping[str, Any], within: float, clock: Callable[[], float] = time.monotonic
    ) -> ModelReply:
        """The answer to a request. Raises `NoAnswer`, after at most `within` seconds, retries and all."""
        received = _Received()
        made = await attempt(self._within(request, within, received, clock))
        if isinstance(made, ModelReply):
            return made
        if isinstance(made, NoAnswer) or not isinstance(made, Exception):
            raise made
        if isinstance(made, TimeoutError):
            raise _no(f"it did not answer within {within:.3g} s", received) from None
        raise self._odd(made, received) from made

    def _odd(self, why: Exception, received: _Received) -> NoAnswer:
        """The SDK lets errors of its HTTP library through, and misses what a cloud needs only when it is used."""
        if isinstance(why, ImportError | anthropic.AnthropicError):
            what = ": install kai-netdebug[vertex]" if self._settings.provider == "vertex" else ""
            return NoAnswer(f"its SDK is not complete{what}")
        return _no("its answer broke off", received)

    async def _within(
        self, request: Mapping[str, Any], within: float, received: _Received, clock: Callable[[], float]
    ) -> ModelReply:
        async with asyncio.timeout(within):
            return await self._tried(request, clock(), within, received, clock)

    async def _tried(
        self, request: Mapping[str, Any], began: float, within: float, received: _Received, clock: Callable[[], float]
    ) -> ModelReply:
        for number in range(MAX_RETRIES + 1):
            try:
                await received.take(self._client, request)
                return received.reply(clock() - began)
            except anthropic.APIError as why:
                pause = _pause(why, number)
                if number == MAX_RETRIES or pause is None or received.begun or clock() - began + pause > within - 1:
                    raise _failure(why, self._settings.model, received) from why
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


class _Received:
    """Received part of a stream: when it is cut, the tokens that were counted are known all the same."""

    def __init__(self) -> None:
        self.message: Any = None

    @property
    def begun(self) -> bool:
        return self.message is not None

    @property
    def spent(self) -> SpentTokens:
        usage = self.message.usage if self.message is not None else None
        return SpentTokens(*(int(getattr(usage, each, None) or 0) for each in _COUNTED))

    async def take(self, client: Any, request: Mapping[str, Any]) -> None:
        async with client.messages.stream(**request) as stream:
            async for _ in stream:
                self.message = stream.current_message_snapshot

    def reply(self, seconds: float) -> ModelReply:
        """The whole answer. Raises `NoAnswer` where it is none."""
        it = self.message
        if it is None or it.stop_reason is None:
            raise _no("its answer broke off", self)
        if it.stop_reason == "refusal":
            category = getattr(it.stop_details, "category", None)
            raise NoAnswer(f"it declined to answer{f' ({category})' if category else ''}", self.spent)
        if it.stop_reason not in ("end_turn", "tool_use", "stop_sequence"):
            many = f"{self.spent.output} tokens" if it.stop_reason == "max_tokens" else it.stop_reason
            raise NoAnswer(f"its answer was cut off ({many})", self.spent)
        text = "".join(each.text for each in it.content if each.type == "text")
        asked = tuple(ToolCall(each.id, each.name, each.input) for each in it.content if each.type == "tool_use")
        blocks = tuple(block for block in map(_block, it.content) if block is not None)
        return ModelReply(text, asked, blocks, self.spent, round(seconds, 2), it.stop_reason)


_KEPT = {
    "text": ("text",),
    "tool_use": ("id", "name", "input"),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
}


def _block(it: Any) -> dict[str, Any] | None:
    """A block as the next turn has to send it back."""
    keys = _KEPT.get(it.type)
    return None if keys is None else {"type": it.type, **{key: getattr(it, key) for key in keys}}


def _client(settings: ClaudeSettings) -> Any:
    """Everything is said explicitly: what happens to lie in the surroundings is not used."""
    usual: dict[str, Any] = {
        "timeout": anthropic.Timeout(settings.timeout, connect=CONNECT_S),
        "max_retries": 0,
        "base_url": settings.base_url or None,
    }
    if settings.provider == "bedrock":
        # Bedrock's own Messages endpoint takes an API key; the older one needs botocore, which kubernetes 37 excludes
        return anthropic.AsyncAnthropicBedrockMantle(
            api_key=settings.key or None, aws_region=settings.region or None, open_telemetry=False, **usual
        )
    if settings.provider == "vertex":
        return anthropic.AsyncAnthropicVertex(
            region=settings.region, project_id=settings.project or anthropic.NOT_GIVEN, **usual
        )
    return anthropic.AsyncAnthropic(api_key=settings.key, open_telemetry=False, **usual)


# -- when it fails ---------------------------------------------------------------------------------------------------


def _no(why: str, received: _Received) -> NoAnswer:
    return NoAnswer(why, received.spent, unknown_cost=not received.begun)


def _pause(why: anthropic.APIError, number: int) -> float | None:
    """Seconds until it is worth another attempt; None: it will not get better by itself."""
    if isinstance(why, anthropic.APITimeoutError):
        return None
    if isinstance(why, anthropic.APIConnectionError):
        return USUAL_PAUSES_S[number] / 2
    status = getattr(why, "status_code", None)
    if status not in (408, 409, 429, 500, 502, 503, 504, 529):
        return None
    said = why.response.headers if isinstance(why, anthropic.APIStatusError) else {}
    return _said_pause(said) or USUAL_PAUSES_S[number]


def _said_pause(headers: Mapping[str, str]) -> float:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        if re.fullmatch(r"\d+(\.\d+)?", headers.get(name, "")):
            return float(headers[name]) / unit
    return 0.0


_STATUS = {
    401: "the API does not accept the key (401)",
    402: "the account has no credit (402)",
    403: "the key may not do this (403)",
    413: "the request is too large (413)",
    429: "too many requests were sent with this key (429)",
    529: "the API is overloaded (529)",
}


def _failure(why: anthropic.APIError, model: str, received: _Received) -> NoAnswer:
    """Errors that come before an answer begins are not billed."""
    if isinstance(why, anthropic.APITimeoutError):
        return _no("the API did not answer in time", received)
    if isinstance(why, anthropic.APIConnectionError):
        said = "its answer broke off" if received.begun else "the API could not be reached"
        return NoAnswer(said, received.spent)
    status = getattr(why, "status_code", 0)
    kind = _kind(why)
    if status == 404:
        return NoAnswer(f"the API knows no model {model} (404)", received.spent)
    usual = f"the API failed ({status})" if status >= 500 else f"the API refused the request ({status}{_words(why)})"
    known = _STATUS.get(status) or _STATUS.get(_BY_TYPE.get(kind, 0))
    return NoAnswer(known or usual, received.spent)


_BY_TYPE = {"overloaded_error": 529, "rate_limit_error": 429, "authentication_error": 401, "permission_error": 403}
"""An error may come within a stream whose status was 200 already."""


def _kind(why: anthropic.APIError) -> str:
    body = why.body if isinstance(why.body, Mapping) else {}
    error = body.get("error", body)
    return str(error.get("type", "")) if isinstance(error, Mapping) else ""


def _words(why: anthropic.APIError) -> str:
    words = " ".join(str(getattr(why, "api_message", "") or "").split())
    plain = "".join(each for each in words if each.isprintable())
    return f": {plain[:LONGEST_WORDS]}" if plain else ""


# -- models ----------------------------------------------------------------------------------------------------------


def models() -> Models:
    """Models that the installed SDK knows."""
    literals = (typing.get_args(each) for each in typing.get_args(Model))
    names = frozenset(name for each in literals for name in each if isinstance(name, str))
    ends = {model: _day(words) for model, words in DEPRECATED_MODELS.items()}
    return Models(names, ends, anthropic.__version__)


def _day(words: str) -> date:
    """`January 22nd, 2027`."""
    return datetime.strptime(re.sub(r"(?<=\d)(st|nd|rd|th)", "", words), "%B %d, %Y").date()
