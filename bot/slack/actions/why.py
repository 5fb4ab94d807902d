"""Button Why?: opens the reasons, the evidence and what was not decided in a window."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.report import blocks, details
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def why(press: Press) -> None:
        await services.lookup.about(press.value, press.who, "Why?", details.why)

    on_press(app, services.gate, blocks.WHY, why)
