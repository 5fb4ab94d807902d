"""One driver for every Slack-like server: what a person types, presses and reads, whoever wrote the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

Json = dict[str, Any]
T = TypeVar("T")
STEP = 0.1
"""Seconds between two looks at a server that tells nobody of its changes."""


class Chat(Protocol):
    """A workspace with one channel, in which a person and the bot are."""

    api_url: str
    bot_token: str
    app_token: str
    bot_user: str

    async def connected(self) -> None:
        """Until the bot has dialled in."""

    async def command(self, line: str) -> None: ...

    async def say(self, text: str, thread: str = "") -> None: ...

    async def press(self, message: Json, action_id: str) -> None: ...

    async def form(self) -> Json | None:
        """The open modal."""

    async def submit(self, values: Mapping[str, Json]) -> None:
        """Fills in the open modal, by block id (which is the action id, too), and sends it."""

    async def messages(self) -> list[Json]:
        """All of the channel, oldest first, replies included, and what only the person sees."""


async def until(chat: Chat, found: Callable[[list[Json]], T | None], seconds: float = 60.0) -> T:
    """The first thing that is found among the messages. Raises TimeoutError with what there is."""
    said: list[Json] = []
    try:
        async with asyncio.timeout(seconds):
            while (answer := found(said)) is None:
                await asyncio.sleep(STEP)
                said = await chat.messages()
            return answer
    except TimeoutError:
        raise TimeoutError("still waiting; there is:\n" + "\n".join(text_of(each) for each in said)) from None


async def open_form(chat: Chat, seconds: float = 60.0) -> Json:
    async with asyncio.timeout(seconds):
        while (view := await chat.form()) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(STEP)
    return view


def text_of(message: Json) -> str:
    """Every text of a message."""
    return "\n".join([str(message.get("text") or ""), *_texts(message.get("blocks") or [])])


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return [*own, *(each for part in value.values() for each in _texts(part))]
    return [each for part in value for each in _texts(part)] if isinstance(value, list) else []
