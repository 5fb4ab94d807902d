"""Extend: proposes and approves a later end of an added object."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import proposal_blocks
from bot.slack.button import on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    if services.extending is not None:
        on_press(app, services.gate, proposal_blocks.EXTEND, services.extending.extend, examined=False)
