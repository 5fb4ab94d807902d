"""The modals of a proposal: an edited change, and a reason to reject it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import proposal_blocks
from bot.slack.approving import read_change
from bot.slack.ephemeral import Asker
from bot.slack.services import Services
from bot.store import OriginKind


def register(app: AsyncApp, services: Services) -> None:
    if services.approving is None:
        return
    approving = services.approving

    def start(body: Mapping[str, Any], work: Callable[[Mapping[str, Any], Asker], Awaitable[None]]) -> None:
        view = body.get("view") or {}
        user = str((body.get("user") or {}).get("id") or "")
        who = Asker(user, "", f"view {view.get('id')} {view.get('hash')}", OriginKind.FORM)
        services.gate.start(who, lambda: work(body, who), examined=False)

    async def edited(ack: AsyncAck, body: dict[str, Any]) -> None:
        change = read_change(proposal_blocks.submitted(body.get("view") or {})[1])
        if isinstance(change, str):
            await ack(
                response_action="errors", errors={proposal_blocks.TEXT_BLOCK: f"{change[:1].upper()}{change[1:]}."}
            )
            return
        await ack()
        start(body, approving.edited)

    async def rejected(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        start(body, approving.rejected)

    app.view(proposal_blocks.EDITED)(edited)
    app.view(proposal_blocks.REJECTED)(rejected)
