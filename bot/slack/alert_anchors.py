"""The channel's own message about an alert, found by its title: the answer stands in its thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api_error import error_of
from bot.triggers.alert_message import shown_title, title_of

log = logging.getLogger(__name__)

FRESH_S = 120.0
"""Seconds that a webhook and the message about the same alert may be apart."""

MAX_ANCHORS = 5000
"""Messages that are remembered."""

ANCHOR_PAUSE_S = 0.5
"""Seconds between two looks for a message that is awaited."""


class Anchors:
    """Remembers what alert messages were heard; asks for the channel's history once where nothing was."""

    def __init__(self, client: AsyncWebClient, clock: Callable[[], float] = time.time) -> None:
        self._client, self._clock = client, clock
        self._heard: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._blind = False

    def hear(self, channel: str, title: str, ts: str) -> None:
        """A message of an alert's sender came in."""
        self._heard[channel, shown_title(title)] = ts
        self._heard.move_to_end((channel, shown_title(title)))
        while len(self._heard) > MAX_ANCHORS:
            self._heard.popitem(last=False)

    async def find(self, channel: str, title: str, seconds: float) -> str:
        """Its ts, waited for so long; empty where none comes."""
        if not title:
            return ""
        until = self._clock() + seconds
        found = self._known(channel, title) or (await self._in_history(channel, title) if seconds else "")
        while not found and self._clock() < until:
            await asyncio.sleep(ANCHOR_PAUSE_S)
            found = self._known(channel, title)
        return found or (await self._in_history(channel, title) if seconds else "")

    def _known(self, channel: str, title: str) -> str:
        ts = self._heard.get((channel, shown_title(title)), "")
        return ts if ts and self._is_fresh(ts) else ""

    def _is_fresh(self, ts: str) -> bool:
        try:
            return self._clock() - float(ts) < FRESH_S
        except ValueError:
            return False

    async def _in_history(self, channel: str, title: str) -> str:
        if self._blind:
            return ""
        try:
            oldest = str(self._clock() - FRESH_S)
            answer = await self._client.conversations_history(channel=channel, limit=50, oldest=oldest)
        except (SlackApiError, ClientError, TimeoutError, OSError) as why:
            self._blind = isinstance(why, SlackApiError) and error_of(why) == "missing_scope"
            log.info("messages about alerts cannot be looked up: %s", why)
            return ""
        messages = [each for each in answer.get("messages") or () if each.get("bot_id")]
        wanted = shown_title(title)
        return next((str(each["ts"]) for each in messages if title_of(each) == wanted), "")
