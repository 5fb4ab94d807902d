"""Opens the way to Claude when it is first needed: the SDK is imported in a thread, and only where there is a key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, Protocol

from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.settings import ClaudeSettings
from sensors.kit.attempt import attempt

WIRE = "flows.agent.wire"


class RequestSender(Protocol):
    """Somebody who answers requests of the Messages API."""

    async def send(self, request: Mapping[str, Any], within: float) -> ModelReply:
        """The answer. Raises `NoAnswer`."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Models:
    """Models that the installed SDK knows: names, the announced end of life of some, and its own version."""

    names: frozenset[str]
    ends: Mapping[str, date]
    sdk: str


async def models() -> Models:
    """Imports the SDK for it. Raises `NoAnswer` where it is not installed."""
    made = await attempt(asyncio.to_thread(_models))
    if isinstance(made, ImportError):
        raise NoAnswer(f"its SDK is not installed ({made.name or made})") from made
    if isinstance(made, BaseException):
        raise made
    return made


def _models() -> Models:
    known: Models = import_module(WIRE).models()
    return known


async def opened(settings: ClaudeSettings) -> RequestSender:
    """Raises `NoAnswer` where the SDK, or what a cloud needs of it, is not installed."""
    if settings.provider == "bedrock" and not settings.key:
        raise NoAnswer("Bedrock wants an API key of its own: claude.api_key_env names its variable")
    made = await attempt(asyncio.to_thread(_line, settings))
    if isinstance(made, ImportError):
        extra = ": install kai-netdebug[vertex]" if settings.provider == "vertex" else ""
        raise NoAnswer(f"its SDK is not complete ({made.name or made}){extra}") from made
    if isinstance(made, Exception):
        raise NoAnswer(f"its client could not be made ({type(made).__name__})") from made
    if isinstance(made, BaseException):
        raise made
    return made


def _line(settings: ClaudeSettings) -> RequestSender:
    line: RequestSender = import_module(WIRE).ClaudeConnection(settings)
    return line
