"""Investigate anyway: an alert that was skipped is looked into after all."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import alert_words
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def look(press: Press) -> None:
        if (asked := alert_words.pressed_look(press.value)) is not None:
            await services.investigating.investigate(asked, press.who)

    on_press(app, services.gate, alert_words.LOOK, look)
