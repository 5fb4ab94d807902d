"""Runs the work of a button: acked at once, then through the gate, with who pressed it and where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack.ephemeral import Asker
from bot.slack.gate import Gate
from bot.slack.interaction import pressed


@dataclass(frozen=True, slots=True)
class Press:
    """A press of a button: its `value`, and Slack's whole payload for those who compare more than that."""

    who: Asker
    value: str
    body: Mapping[str, Any]


def on_press(
    app: AsyncApp, gate: Gate, action_id: str, work: Callable[[Press], Awaitable[None]], *, examined: bool = True
) -> None:
    """Register what a button does, by its `action_id`. Not `examined`: the work asks by itself who pressed."""

    async def action(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        press = press_of(body)
        gate.start(press.who, lambda: work(press), examined=examined)

    app.action(action_id)(action)


def press_of(body: Mapping[str, Any]) -> Press:
    """The press in a payload of Slack's."""
    action = (body.get("actions") or [{}])[0]
    container, message = body.get("container") or {}, body.get("message") or {}
    thread = str(message.get("thread_ts") or container.get("thread_ts") or container.get("message_ts") or "")
    who = pressed(body, f"action {body.get('trigger_id')} {action.get('action_ts')}", thread)
    return Press(who, str(action.get("value") or ""), body)
