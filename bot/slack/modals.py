"""Windows over the conversation: opened within three seconds of a press, else the same is told to the person alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.report.blocks import Said, older, plain_text
from bot.slack.api_error import error_of
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.limits import VIEW_BLOCKS, view_problems

log = logging.getLogger(__name__)

PRESS_AGAIN = "Slack could not open the window just now: press it once more."


class ModalOpener:
    """One for each process."""

    def __init__(self, client: AsyncWebClient, ephemerals: Ephemerals) -> None:
        self._client, self._ephemerals = client, ephemerals

    async def opens(self, view: Mapping[str, Any], who: Asker) -> bool:
        """Does Slack open it? It does not once three seconds have gone, or where nothing was pressed."""
        if not who.trigger:
            return False
        try:
            await self._client.views_open(trigger_id=who.trigger, view=dict(view))
        except SlackApiError as why:
            log.info("a window could not be opened: %s", error_of(why))
            return False
        return True

    async def ask(self, view: Mapping[str, Any], who: Asker) -> None:
        """A window with fields: where it does not open, the person is told to press once more."""
        if not await self.opens(view, who):
            await self._ephemerals.tell(who, PRESS_AGAIN)

    async def show(self, title: str, said: Said, who: Asker) -> None:
        """A window to read; where it does not open, a message to this person alone."""
        if not await self.opens(reading(title, said), who):
            await self._ephemerals.say(who, said)


def reading(title: str, said: Said) -> dict[str, Any]:
    """A window without fields: the message in blocks that a window takes, without its buttons."""
    blocks = [each for each in older(said).blocks if each["type"] != "actions"][:VIEW_BLOCKS]
    view = {"type": "modal", "title": plain_text(title), "close": plain_text("Close"), "blocks": blocks}
    if wrong := view_problems(view):
        log.error("a window is not as Slack takes it: %s", "; ".join(wrong[:5]))
    return view
