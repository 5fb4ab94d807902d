"""Opens the way to Claude when it is first needed: the SDK is imported in a thread, and only where there is a key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from flows.agent.reply import NoAnswer, Reply, sentence
from flows.agent.settings import ClaudeSettings
from sensors.kit.attempt import attempt

WIRE = "flows.agent.wire"


class Line(Protocol):
    """Somebody who answers requests of the Messages API."""

    async def send(self, request: Mapping[str, Any], within: float) -> Reply:
        """The answer. Raises `NoAnswer`."""
        ...

    async def close(self) -> None: ...


async def opened(settings: ClaudeSettings) -> Line:
    """Raises `NoAnswer` where the SDK, or what a cloud needs of it, is not installed."""
    made = await attempt(asyncio.to_thread(_line, settings))
    if isinstance(made, ImportError):
        extra = f": install kai-netdebug[{settings.provider}]" if settings.provider != "anthropic" else ""
        raise NoAnswer(sentence(f"its SDK is not complete ({made.name or made}){extra}")) from made
    if isinstance(made, Exception):
        raise NoAnswer(sentence(f"its client could not be made ({type(made).__name__})")) from made
    if isinstance(made, BaseException):
        raise made
    return made


def _line(settings: ClaudeSettings) -> Line:
    line: Line = import_module(WIRE).Wire(settings)
    return line
