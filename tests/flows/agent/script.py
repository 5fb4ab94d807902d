"""Somebody who answers requests by a script, without any server: for tests of what is made of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flows.agent.money import SpentTokens
from flows.agent.reply import ModelReply, ToolCall
from tests.kit.messages_api import KEY, Answer, check


class Script:
    """`ask` of a correlation. What is sent must be what the real API would take."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Answer]) -> None:
        self._answer = answer
        self.purposes: list[str] = []
        self.bodies: list[Mapping[str, Any]] = []

    async def ask(self, purpose: str, request: Mapping[str, Any], within: float) -> ModelReply:
        body = json.loads(json.dumps({**request, "stream": True}))
        check({"x-api-key": KEY, "anthropic-version": "2023-06-01"}, body)
        self.purposes.append(purpose)
        self.bodies.append(body)
        return reply_of(self._answer(body))


def reply_of(answer: Answer) -> ModelReply:
    """The reply that the wire would make of an answer."""
    text = "".join(each["text"] for each in answer.blocks if each["type"] == "text")
    asked = tuple(
        ToolCall(each["id"], each["name"], each["input"]) for each in answer.blocks if each["type"] == "tool_use"
    )
    return ModelReply(text, asked, answer.blocks, SpentTokens())
