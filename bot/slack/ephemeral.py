"""Answers that one person sees: refusals, mistakes, lists. Where none can stand, a direct one does."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.intake import Origin
from bot.report.blocks import Said, SlackBlock, older, section
from bot.report.mrkdwn import fit
from bot.slack.limits import TEXT, problems
from bot.store import OriginKind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asker:
    """A person who asks, where, and by what: `key` is the same each time Slack delivers the same thing.

    `thread` is empty at the top level of a channel; `channel` is empty where there is none (the home tab).
    """

    user: str
    channel: str
    key: str
    kind: OriginKind
    thread: str = ""
    trigger: str = ""
    response_url: str = ""

    @property
    def origin(self) -> Origin:
        """The same without what only Slack knows; where there is no channel, the answer is awaited directly."""
        return Origin(self.kind, self.user, self.channel or self.user, self.thread, self.key)


class Ephemerals:
    """Messages that one person sees. They have limits of their own, so they do not wait in the channel's queue."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def say(self, asker: Asker, said: Said) -> None:
        """Say it to the asker alone: by the address that Slack gave for it, else in the channel, else directly."""
        parts = _parts(said)
        ways = (self._by_address, self._in_channel, self._directly)
        for way in ways:
            try:
                if await way(asker, parts):
                    return
            except (SlackApiError, ClientError, TimeoutError, OSError) as why:
                log.info("%s could not be answered by %s: %s", asker.user, way.__name__.strip("_"), why)
        log.warning("%s could not be answered at all: %s", asker.user, said.text[:200])

    async def tell(self, asker: Asker, sentence: str, *more: SlackBlock) -> None:
        """A sentence; it is escaped already."""
        await self.say(asker, Said(sentence, (section(sentence), *more)))

    async def _by_address(self, asker: Asker, parts: dict[str, Any]) -> bool:
        if not asker.response_url:
            return False
        more = {"thread_ts": asker.thread} if asker.thread else {}
        hook = AsyncWebhookClient(asker.response_url)
        answer = await hook.send_dict({**parts, **more, "response_type": "ephemeral", "replace_original": False})
        return answer.status_code == 200

    async def _in_channel(self, asker: Asker, parts: dict[str, Any]) -> bool:
        if not asker.channel or asker.channel.startswith("D"):
            return False
        more: dict[str, Any] = {"thread_ts": asker.thread} if asker.thread else {}
        await self._client.chat_postEphemeral(channel=asker.channel, user=asker.user, **parts, **more)
        return True

    async def _directly(self, asker: Asker, parts: dict[str, Any]) -> bool:
        here = asker.channel.startswith("D")
        more: dict[str, Any] = {"thread_ts": asker.thread} if here and asker.thread else {}
        await self._client.chat_postMessage(channel=asker.channel if here else asker.user, **parts, **more)
        return True


def _parts(said: Said) -> dict[str, Any]:
    """In the blocks that every workspace knows: there is no second try to find out."""
    shown = older(Said(fit(said.text, TEXT), said.blocks))
    if wrong := problems(shown):
        log.error("an answer is sent without its blocks: %s", "; ".join(wrong[:5]))
        shown = Said(shown.text)
    return {"text": shown.text, "blocks": list(shown.blocks)}
