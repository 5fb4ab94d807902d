"""The message shortcut "Investigate with KAI": the pod that a message speaks of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack.ephemeral import Asker
from bot.slack.interaction import pressed
from bot.slack.pointing import pointed_at
from bot.slack.services import SlackServices
from bot.store import OriginKind
from bot.triggers.commands import Investigate

SHORTCUT = "kai_investigate"
HINT = "That message does not say which pod. Please choose it."


def register(app: AsyncApp, services: SlackServices) -> None:
    async def shortcut(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        said = body.get("message") or {}
        thread = str(said.get("thread_ts") or said.get("ts") or "")
        who = pressed(body, f"shortcut {body.get('trigger_id')}", thread, OriginKind.SHORTCUT)
        services.gate.start(who, lambda: _point(services, said, who))

    app.shortcut(SHORTCUT)(shortcut)


async def _point(services: SlackServices, said: dict[str, Any], who: Asker) -> None:
    asked = await pointed_at(said, services.names(who.channel))
    if isinstance(asked, Investigate):
        await services.investigating.investigate(asked, who)
    else:
        await services.investigating.fill(replace(asked, hint=HINT), who)
