"""Looks whether something was said already, after a crash that came between the saying and the writing down."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api_error import FOR_NOW, error_of

log = logging.getLogger(__name__)

MAX_MESSAGES = 100


class Seeker:
    """Reads channels where KAI may (`channels:history`); without the right it finds nothing, and says so once."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._blind = False

    async def message(self, channel: str, thread: str, key: str, since: float) -> tuple[str, str] | None:
        """Channel and ts of the message with this key. Raises `SlackApiError` when that cannot be known just now."""
        for each in await self._messages(channel, thread, since):
            payload = (each.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == key:
                return channel, str(each["ts"])
        return None

    async def file(self, channel: str, thread: str, name: str, since: float) -> bool:
        """Is a file of that name in the thread?"""
        found = await self._messages(channel, thread, since)
        return any(file.get("name") == name for each in found for file in _files(each))

    async def _messages(self, channel: str, thread: str, since: float) -> list[Mapping[str, Any]]:
        if self._blind:
            return []
        try:
            return await self._read(channel, thread, since)
        except SlackApiError as why:
            if error_of(why) in FOR_NOW:
                raise
            self._blind = error_of(why) == "missing_scope"
            log.info("what was said before a crash cannot be looked up: %s", error_of(why))
            return []

    async def _read(self, channel: str, thread: str, since: float) -> list[Mapping[str, Any]]:
        asked: dict[str, Any] = {
            "channel": channel,
            "limit": MAX_MESSAGES,
            "include_all_metadata": True,
            "oldest": str(since),
        }
        if thread:
            answer = await self._client.conversations_replies(ts=thread, **asked)
        else:
            answer = await self._client.conversations_history(**asked)
        return list(answer.get("messages") or [])


def _files(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in message.get("files") or () if isinstance(each, Mapping))
