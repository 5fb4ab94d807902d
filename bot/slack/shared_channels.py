"""Checks whether people of another organisation read along in a channel (Slack Connect): there nothing is said unasked.

Consent is the operator's, channel by channel (`slack: shared_channels`). Whether a channel is shared is Slack's to say
and changes: it is asked for, and a minute's memory spares Slack the question for each message.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api_error import FOR_NOW, error_of

log = logging.getLogger(__name__)

KEPT_S = 60.0
MOST = 5000

SHARED, UNTOLD = "shared_channel", "not_told_whether_shared"
"""Why nothing is said in a channel: it is shared, or Slack does not let us know (`channels:read`, `groups:read`)."""

WORDS: Mapping[str, str] = {
    SHARED: "This channel is shared with another organisation, whose people would read the answer, so it comes to you "
    "directly. An administrator can allow answers here: slack: shared_channels (docs/slack.md).",
    UNTOLD: "Slack does not tell KAI whether people of another organisation are in this channel, so the answer comes "
    "to you directly. An administrator can add the scopes channels:read and groups:read (docs/slack.md).",
}
"""What the asker is told, and nobody else."""


class SharedChannels:
    """One for each process."""

    def __init__(
        self, client: AsyncWebClient, consented: frozenset[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._consented, self._clock = client, consented, clock
        self._known: dict[str, tuple[float, str]] = {}

    async def why_not(self, channel: str) -> str:
        """Reason why nothing may be said there; empty where it may. Raises what keeps Slack from answering just now."""
        if channel in self._consented or not channel.startswith(("C", "G")):
            return ""  # direct messages are the asker's, who was examined
        now = self._clock()
        known = self._known.get(channel)
        if known is None or known[0] <= now:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[channel] = (now + KEPT_S, await self._ask(channel))
        return known[1]

    async def _ask(self, channel: str) -> str:
        try:
            said = (await self._client.conversations_info(channel=channel)).get("channel")
        except SlackApiError as why:
            if error_of(why) in FOR_NOW:
                raise
            if error_of(why) == "channel_not_found":
                return ""  # nor can anything be posted there
            log.warning("whether %s is shared with another organisation is not told: %s", channel, error_of(why))
            return UNTOLD
        if not isinstance(said, Mapping) or "is_ext_shared" not in said:
            return UNTOLD
        return SHARED if is_shared(said) else ""


def is_shared(channel: Mapping[str, Any]) -> bool:
    """With another organisation, by what `conversations.info` says: now, or as soon as an invitation is taken."""
    invited = channel.get("pending_shared") or channel.get("pending_connected_team_ids")
    outside = channel.get("is_shared") and not channel.get("is_org_shared")
    return bool(channel.get("is_ext_shared") or channel.get("is_pending_ext_shared") or invited or outside)
