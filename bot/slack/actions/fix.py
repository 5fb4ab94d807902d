"""Show fix: the command, the way back, the proof and what it opens, in a window."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.report import blocks, details
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def fix(press: Press) -> None:
        await services.lookup.about(press.value, press.who, "The fix", details.fix)

    for action_id in (blocks.FIX, *blocks.ONCE_FIX):
        on_press(app, services.gate, action_id, fix)
