"""`/kai …`."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack.ephemeral import Asker
from bot.slack.services import SlackServices
from bot.store import OriginKind

COMMAND = "/kai"


def register(app: AsyncApp, services: SlackServices) -> None:
    async def command(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        who, text = _asker(body), str(body.get("text") or "")
        services.gate.start(who, lambda: services.dispatch.command(text, who), f"{COMMAND} {text}")

    app.command(COMMAND)(command)


def _asker(body: dict[str, Any]) -> Asker:
    trigger = str(body.get("trigger_id") or "")
    return Asker(
        str(body.get("user_id") or ""),
        str(body.get("channel_id") or ""),
        f"slash {trigger}",
        OriginKind.SLASH,
        trigger=trigger,
        response_url=str(body.get("response_url") or ""),
    )
