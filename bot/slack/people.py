"""Checks who may ask: full members of this workspace. Guests may not, nor people of another company, nor bots."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)

PERSON_LIFETIME_S = 60.0
"""Seconds for which an answer about a person holds; an approval asks Slack itself, each time."""

MAX_PEOPLE = 5000


class People:
    """Asks Slack about each person once a minute, however many of his commands come at the same time."""

    def __init__(self, client: AsyncWebClient, team: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._team, self._clock = client, team, clock
        self._known: dict[str, tuple[float, asyncio.Future[str]]] = {}

    async def why_not(self, user: str) -> str:
        """Empty when he may ask, else a sentence. What cannot be found out is a no."""
        now = self._clock()
        known = self._known.get(user)
        if known is None or known[0] <= now:
            known = (now + PERSON_LIFETIME_S, asyncio.ensure_future(self._ask(user)))
            self._forget(now)
            self._known[user] = known
        why = await asyncio.shield(known[1])
        if why == UNKNOWN_PERSON:
            self._known.pop(user, None)
        return why

    async def _ask(self, user: str) -> str:
        try:
            answer = await self._client.users_info(user=user)
        except (SlackApiError, ClientError, TimeoutError, OSError) as why:
            log.warning("who %s is cannot be found out: %s", user, why)
            return UNKNOWN_PERSON
        return refusal(answer.get("user") or {}, self._team)

    def _forget(self, now: float) -> None:
        if len(self._known) >= MAX_PEOPLE:
            self._known = {user: each for user, each in self._known.items() if each[0] > now}


_REASON = "it answers with what it sees inside a cluster."
UNKNOWN_PERSON = "Slack did not say who you are just now, so nothing was done: try again in a moment."


def refusal(user: Mapping[str, Any], team: str) -> str:
    """The reason why this person may not ask, by what `users.info` says; a person without a team is nobody we know."""
    if user.get("is_bot") or user.get("deleted"):
        return "Only people of this workspace may ask KAI."
    enterprise = (user.get("enterprise_user") or {}).get("teams") or ()
    if user.get("is_stranger") or not (user.get("team_id") == team or team in enterprise):
        return f"Only members of this workspace may ask KAI: {_REASON}"
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return f"Guests of this workspace may not ask KAI: {_REASON}"
    return ""
