"""The modals of a proposal: an edited change, and a reason to reject it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import proposal_blocks
from bot.slack.approving import read_change
from bot.slack.ephemeral import Asker
from bot.slack.services import SlackServices
from bot.store import OriginKind
from sensors.text import capital


def register(app: AsyncApp, services: SlackServices) -> None:
    if services.approving is None:
        return
    approving = services.approving

    def start(body: Mapping[str, Any], work: Callable[[Mapping[str, Any], Asker], Awaitable[None]]) -> None:
        view = body.get("view") or {}
        user = str((body.get("user") or {}).get("id") or "")
        who = Asker(user, "", f"view {view.get('id')} {view.get('hash')}", OriginKind.FORM)
        services.gate.start(who, lambda: work(body, who), examined=False)

    async def edited(ack: AsyncAck, body: dict[str, Any]) -> None:
        said = {place: read_change(text) for place, text in proposal_blocks.texts_of(body.get("view") or {}).items()}
        wrong = {place: f"{capital(each)}." for place, each in said.items() if isinstance(each, str)}
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        await ack()
        start(body, approving.edited)

    async def rejected(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        start(body, approving.rejected)

    app.view(proposal_blocks.EDITED)(edited)
    app.view(proposal_blocks.REJECTED)(rejected)
