"""The form, filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.report.mrkdwn import literal
from bot.slack import form
from bot.slack.ephemeral import Asker
from bot.slack.services import SlackServices
from bot.store import OriginKind
from bot.triggers.commands import Investigate
from bot.triggers.form import TRIGGER
from bot.triggers.trigger import Nothing


def register(app: AsyncApp, services: SlackServices) -> None:
    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body.get("view") or {}
        asked = TRIGGER.read(view)
        if isinstance(asked, Nothing):
            errors = {name: literal(why, 200) for name, why in (asked.fields or {}).items()}
            await ack(response_action="errors", errors=errors)
            return
        await ack()
        if isinstance(asked, Investigate):
            who, of = _asker(body, view), replace(asked, cluster=form.cluster_of(view))
            services.gate.start(who, lambda: services.investigating.investigate(of, who))

    app.view(form.FORM)(submitted)


def _asker(body: dict[str, Any], view: dict[str, Any]) -> Asker:
    channel, thread = form.place(view)
    user = str((body.get("user") or {}).get("id") or "")
    return Asker(user, channel, f"form {view.get('id')}", OriginKind.FORM, thread)
