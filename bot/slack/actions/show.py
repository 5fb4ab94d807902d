"""Show, in the home tab: a verdict in a modal."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import lists
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def show(press: Press) -> None:
        await services.lookup.show_in_view(press.value, press.who)

    on_press(app, services.gate, lists.SHOW, show)
