"""The pod that an alert means, chosen by a person where it was not clear."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import alert_words
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def choose(press: Press) -> None:
        action = (press.body.get("actions") or [{}])[0]
        value = str((action.get("selected_option") or {}).get("value") or "")
        if (asked := alert_words.chosen_pod(value, str(action.get("block_id") or ""))) is not None:
            await services.investigating.investigate(asked, press.who)

    on_press(app, services.gate, alert_words.CHOOSE, choose)
