"""What a visitor of the demo does and waits for, without a browser."""

from __future__ import annotations

from typing import Any

from lab.demo import Demo
from lab.workspace import InteractionReply

Json = dict[str, Any]
CHANNEL = "alerts"


async def type_command(demo: Demo) -> InteractionReply:
    """After the alert's own investigation: the same question would join it while it runs."""
    await alert_verdict(demo)
    return await demo.workspace.user("alice").command(demo.command, CHANNEL)


async def verdict(demo: Demo) -> Json:
    """The root message once it says how the investigation ended."""
    return await demo.workspace.wait_for(lambda: next(filter(_is_over, kais(demo)), None))  # type: ignore[return-value]


async def alert_verdict(demo: Demo) -> Json:
    """KAI's answer in the thread of the alert, once it says how the investigation ended."""
    ts = demo.workspace.messages(CHANNEL)[0]["ts"]
    return await demo.workspace.wait_for(lambda: next(filter(_is_over, demo.workspace.thread(ts)), None))  # type: ignore[return-value]


def kais(demo: Demo) -> list[Json]:
    """What KAI has said at the top level of the channel."""
    return [each for each in demo.workspace.messages(CHANNEL) if each.get("user") == demo.workspace.app.bot_user]


async def whole_thread(demo: Demo, ts: str) -> list[Json]:
    """The replies, once the picture, which comes last, is there."""
    return await demo.workspace.wait_for(lambda: _with_picture(demo.workspace.thread(ts)))


async def replies_after(demo: Demo, ts: str, known: int) -> list[Json]:
    """What was said in the thread after the first `known` replies."""
    return await demo.workspace.wait_for(lambda: demo.workspace.thread(ts)[known:])


def _is_over(message: Json) -> bool:
    return message["text"][:1] in ("🔴", "🟡", "🟢", "⚪") and ": looking. " not in message["text"]


def _with_picture(thread: list[Json]) -> list[Json]:
    return thread if any(each.get("files") for each in thread) else []
