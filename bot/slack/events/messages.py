"""Mentions, direct messages, and known questions in threads of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.answers.grammar import is_plain
from bot.slack.ephemeral import Asker
from bot.slack.services import SlackServices
from bot.store import OriginKind


def register(app: AsyncApp, services: SlackServices) -> None:
    bot_user = services.identity.bot_user

    async def mention(ack: AsyncAck, event: dict[str, Any]) -> None:
        await ack()
        if is_by_person(event):
            who, text, in_thread = _asker(event, in_thread=True), _text(event, bot_user), bool(event.get("thread_ts"))
            work = lambda: services.dispatch.mention(text, who, in_thread=in_thread)  # noqa: E731
            services.gate.start(who, work, f"@kai {text.strip()}")

    async def message(ack: AsyncAck, event: dict[str, Any]) -> None:
        """Direct messages are for KAI; elsewhere only a known question in a thread is; mentions come twice."""
        await ack()
        if not is_by_person(event):
            if services.alerts is not None:
                services.alerts.hear(event)
            return
        text, in_thread = _text(event, bot_user), bool(event.get("thread_ts"))
        who = _asker(event, in_thread=in_thread)
        if event.get("channel_type") == "im":
            services.gate.start(who, lambda: services.dispatch.mention(text, who, in_thread=in_thread), text.strip())
        elif in_thread and f"<@{bot_user}>" not in str(event.get("text")) and is_plain(text):
            services.gate.start(who, lambda: services.dispatch.overheard(text, who))

    app.event("app_mention")(mention)
    app.event("message")(message)


def is_by_person(event: Mapping[str, Any]) -> bool:
    """No bots, no edits, no joins: `message` without a subtype brings all of them."""
    plain = event.get("subtype") in (None, "thread_broadcast", "file_share")
    return plain and not event.get("bot_id") and bool(event.get("user"))


def _asker(event: Mapping[str, Any], *, in_thread: bool) -> Asker:
    ts, channel = str(event.get("ts") or ""), str(event.get("channel") or "")
    thread = str(event.get("thread_ts") or ts) if in_thread else ""
    return Asker(str(event.get("user") or ""), channel, f"said {channel} {ts}", OriginKind.MENTION, thread)


def _text(event: Mapping[str, Any], bot_user: str) -> str:
    return str(event.get("text") or "").replace(f"<@{bot_user}>", " ")
