"""Keeps a person's opinion of a verdict: *Was this right?*"""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.report import blocks
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices
from bot.store import Opinion


def register(app: AsyncApp, services: SlackServices) -> None:
    async def opinion(press: Press) -> None:
        word, _, investigation = press.value.partition(":")
        if word in (Opinion.RIGHT.value, Opinion.WRONG.value):
            await services.lookup.opinion(investigation, Opinion(word), press.who)

    for action_id in (blocks.OPINION, blocks.RIGHT, blocks.WRONG):
        on_press(app, services.gate, action_id, opinion)
