"""The channel's own message about an alert, found by its title: the answer stands in its thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

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


HISTORY_PAUSE_S = 2.0
"""Seconds in which a channel's history is asked for once, however many messages are awaited."""


class Anchors:
    """Remembers what alert messages were heard; asks for the channel's history where nothing was."""

    def __init__(
        self,
        client: AsyncWebClient,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._client, self._clock, self._sleep = client, clock, sleep
        self._heard: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._asked: dict[str, float] = {}
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
        while not self._known(channel, title) and self._clock() < until:
            await self._read_history(channel)
            if not self._known(channel, title):
                await self._sleep(ANCHOR_PAUSE_S)
        return self._known(channel, title)

    def _known(self, channel: str, title: str) -> str:
        ts = self._heard.get((channel, shown_title(title)), "")
        return ts if ts and self._is_fresh(ts) else ""

    def _is_fresh(self, ts: str) -> bool:
        try:
            return self._clock() - float(ts) < FRESH_S
        except ValueError:
            return False

    async def _read_history(self, channel: str) -> None:
        """Hears what was posted lately; nothing where that was asked a moment ago, or is not allowed."""
        now = self._clock()
        if self._blind or now - self._asked.get(channel, float("-inf")) < HISTORY_PAUSE_S:
            return
        self._asked[channel] = now
        try:
            answer = await self._client.conversations_history(channel=channel, limit=50, oldest=str(now - FRESH_S))
        except (SlackApiError, ClientError, TimeoutError, OSError) as why:
            self._blind = isinstance(why, SlackApiError) and error_of(why) == "missing_scope"
            log.info("messages about alerts cannot be looked up: %s", why)
            return
        for each in reversed([*(answer.get("messages") or ())]):  # the newest comes first, and is to be remembered
            if each.get("bot_id"):
                self.hear(channel, title_of(each), str(each["ts"]))
