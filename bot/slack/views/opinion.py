"""Submitted modal about what was wrong with a verdict."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import opinions
from bot.slack.ephemeral import Asker
from bot.slack.services import SlackServices
from bot.store import OriginKind


def register(app: AsyncApp, services: SlackServices) -> None:
    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        view = body.get("view") or {}
        investigation, words = opinions.said_in(view)
        user = str((body.get("user") or {}).get("id") or "")
        who = Asker(user, "", f"view {view.get('id')} {view.get('hash')}", OriginKind.FORM)
        services.gate.start(who, lambda: services.lookup.was_wrong(investigation, words, who))

    app.view(opinions.WRONG_VIEW)(submitted)
