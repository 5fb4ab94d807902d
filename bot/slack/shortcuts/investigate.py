"""The message shortcut "Investigate with KAI": the pod that a message speaks of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack.ephemeral import Asker
from bot.slack.interaction import pressed
from bot.slack.services import SlackServices
from bot.store import OriginKind
from bot.triggers import message as pointed
from bot.triggers.commands import Fill, Investigate

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
    asked = pointed.TRIGGER.read(said)
    if isinstance(asked, Fill):
        asked = await _by_names(services, said, asked, who.channel)
    if isinstance(asked, Investigate):
        await services.investigating.investigate(asked, who)
    elif isinstance(asked, Fill):
        await services.investigating.fill(replace(asked, hint=HINT), who)


async def _by_names(services: SlackServices, said: dict[str, Any], fill: Fill, channel: str) -> Investigate | Fill:
    """The pod that there is and that the message names, where its labels do not say one."""
    found = pointed.match(said, await services.names(channel).pods())
    return pointed.complete(found if found.pod else fill)
