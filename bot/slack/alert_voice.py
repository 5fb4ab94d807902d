"""Posts about alerts in Slack: the channel's own message is found, marked and answered in its thread."""

from __future__ import annotations

import logging

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.alerts.notices import AnswerPlace, ListedAlerts, MessageSign, Notice
from bot.slack.alert_anchors import Anchors
from bot.slack.alert_words import words_of
from bot.slack.api_error import error_of
from bot.slack.background import Work
from bot.slack.conversations import Conversations
from bot.slack.outbox import FIRST, LATER, Outbox
from bot.slack.visibility import Visibility
from bot.store import Investigation
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

_EMOJI = {
    MessageSign.LOOKING: "eyes",
    MessageSign.SKIPPED: "fast_forward",
    MessageSign.UNCLEAR: "grey_question",
    MessageSign.POINTED: "point_right",
}


class AlertVoice:
    """`bot.alerts.notices.NoticeSender` in Slack."""

    def __init__(
        self,
        client: AsyncWebClient,
        outbox: Outbox,
        conversations: Conversations,
        anchors: Anchors,
        work: Work,
        visibility: Visibility,
    ) -> None:
        self._client, self._outbox, self._conversations = client, outbox, conversations
        self._anchors, self._work, self._visibility = anchors, work, visibility
        self._cannot_mark = False

    async def anchor(self, channel: str, title: str, seconds: float) -> str:
        return await self._anchors.find(channel, title, seconds)

    async def open(self, it: Investigation) -> AnswerPlace | None:
        place = await attempt(self._conversations.open(it))
        if isinstance(place, BaseException):
            log.warning("the root message of %s, started by an alert, is not there yet: %s", it.id, place)
            return None
        return AnswerPlace(place.channel, place.thread)

    async def link(self, place: AnswerPlace, reader: str) -> str | None:
        if place.channel != reader and not await self._visibility.is_public(place.channel):
            return None
        said = await attempt(self._client.chat_getPermalink(channel=place.channel, message_ts=place.thread))
        return "" if isinstance(said, BaseException) else str(said["permalink"])

    async def tell(self, channel: str, thread: str, notice: Notice, ts: str = "") -> str:
        said, lane = words_of(notice), FIRST if isinstance(notice, ListedAlerts) else LATER
        if ts:
            outcome = await attempt(self._outbox.update(channel, ts, said, lane))
            return ts if not isinstance(outcome, BaseException) else self._failed(channel, outcome)
        posted = await attempt(self._outbox.post(channel, said, thread, lane=lane))
        return posted[1] if not isinstance(posted, BaseException) else self._failed(channel, posted)

    def _failed(self, channel: str, why: BaseException) -> str:
        log.warning("what an alert led to could not be said in %s: %s", channel, why)
        return ""

    def mark(self, channel: str, ts: str, mark: MessageSign) -> None:
        if not self._cannot_mark:
            self._work.start(self._mark(channel, ts, mark))

    async def _mark(self, channel: str, ts: str, mark: MessageSign) -> None:
        outcome = await attempt(self._client.reactions_add(channel=channel, timestamp=ts, name=_EMOJI[mark]))
        if isinstance(outcome, SlackApiError) and error_of(outcome) == "missing_scope":
            self._cannot_mark = True
            log.info("alerts get no reactions: the app has no reactions:write")
