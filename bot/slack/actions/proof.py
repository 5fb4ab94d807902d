"""Show proof: the evidence behind a fix, for one person."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.report import blocks
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def proof(press: Press) -> None:
        await services.lookup.about(press.value, press.who, blocks.proof)

    on_press(app, services.gate, blocks.SHOW_PROOF, proof)
