"""Decides who may see an investigation: what was asked in private stays with those who are in that conversation.

Membership is Slack's to say and is asked for; what cannot be found out is a no. A minute's memory spares Slack the same
question for each row of a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.store import Investigation

VISIBILITY_LIFETIME_S = 60.0
MOST_PAGES = 10
MEMBERS_PAGE_SIZE = 1000

T = TypeVar("T")


class Visibility:
    """One for each process."""

    def __init__(self, client: AsyncWebClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._known: dict[str, tuple[float, frozenset[str] | None]] = {}

    async def may_see(self, it: Investigation, user: str) -> bool:
        """The asker always; else everybody for a public channel, and the members of a private one."""
        request = it.request
        if user == request.asked_by:
            return True
        if not request.channel:
            return False  # asked in a terminal: nobody of Slack was there
        members = await self._members(request.channel)
        return members is None or user in members

    async def is_public(self, channel: str) -> bool:
        """Checks whether everybody of the workspace may read along."""
        return await self._members(channel) is None

    async def seen_by(self, user: str, rows: Iterable[T], of: Callable[[T], Investigation]) -> list[T]:
        """The rows that this person may see."""
        return [each for each in rows if await self.may_see(of(each), user)]

    async def _members(self, channel: str) -> frozenset[str] | None:
        """None for a public channel; nobody where Slack does not say."""
        now = self._clock()
        known = self._known.get(channel)
        if known is None or known[0] <= now:
            known = (now + VISIBILITY_LIFETIME_S, await self._ask(channel))
            self._known[channel] = known
        return known[1]

    async def _ask(self, channel: str) -> frozenset[str] | None:
        if not channel.startswith(("C", "G")):
            return frozenset()  # direct messages, or a person: the asker's alone
        try:
            said = (await self._client.conversations_info(channel=channel)).get("channel") or {}
            if said.get("is_private") is False and not (said.get("is_im") or said.get("is_mpim")):
                return None
            return await self._all_members(channel)
        except (SlackApiError, ClientError, TimeoutError, OSError):
            return frozenset()

    async def _all_members(self, channel: str) -> frozenset[str]:
        found, cursor = set[str](), ""
        for _ in range(MOST_PAGES):
            page = await self._client.conversations_members(
                channel=channel, limit=MEMBERS_PAGE_SIZE, cursor=cursor or None
            )
            found |= set(page.get("members") or ())
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return frozenset(found)
