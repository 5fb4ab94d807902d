"""Run again: the same question once more."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.report import blocks
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def repeat(press: Press) -> None:
        await services.investigating.repeat(press.value, press.who)

    on_press(app, services.gate, blocks.RERUN, repeat)
