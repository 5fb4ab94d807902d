"""Let it go: only says that somebody has seen that an added object ends."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import proposal_blocks
from bot.slack.button import on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    if services.extending is not None:
        on_press(app, services.gate, proposal_blocks.LET_GO, services.extending.let_go, examined=False)
