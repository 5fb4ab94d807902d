"""The home tab, drawn anew each time it is opened."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import lists
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def publish(user: str) -> None:
        view = lists.home(await services.lookup.latest(user))
        await services.client.views_publish(user_id=user, view=view)

    async def home(ack: AsyncAck, event: dict[str, Any]) -> None:
        await ack()
        user = str(event.get("user") or "")
        if event.get("tab") in ("home", None):
            services.gate.start_for(user, lambda: publish(user))

    app.event("app_home_opened")(home)
