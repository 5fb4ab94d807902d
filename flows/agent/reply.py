"""Replies of the API, and the meaning of a missing one: one sentence for each way to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flows.agent.money import SpentTokens

Json = Mapping[str, Any]


class NoAnswer(Exception):
    """Claude said nothing that can be used. `why` is a clause, the message a whole sentence for a person.

    `spent` is what it took all the same. `unknown_cost`: nobody knows what the API counted, so that the most it can be
    is taken for it. `no_time`: it was not asked at all, since no time was left.
    """

    def __init__(
        self, why: str, spent: SpentTokens | None = None, *, unknown_cost: bool = False, no_time: bool = False
    ) -> None:
        super().__init__(f"Claude adds nothing: {why}; the verdict is that of the rules.")
        self.why, self.spent, self.unknown_cost, self.no_time = why, spent or SpentTokens(), unknown_cost, no_time


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A look that Claude asks for: the id of its block, the tool, the arguments as they came."""

    id: str
    tool: str
    said: Json


@dataclass(frozen=True, slots=True)
class ModelReply:
    """An answer: its text, what it asks for, its blocks as they must be sent back, its tokens and seconds."""

    text: str
    asked: tuple[ToolCall, ...]
    blocks: tuple[Json, ...]
    spent: SpentTokens
    seconds: float = 0.0
    stop: str = "end_turn"

    def as_json(self) -> dict[str, Any]:
        """For whoever has to keep it."""
        return {
            "text": self.text,
            "asked": [asdict(each) for each in self.asked],
            "blocks": [dict(each) for each in self.blocks],
            "spent": asdict(self.spent),
            "seconds": self.seconds,
            "stop": self.stop,
        }

    @classmethod
    def of_json(cls, it: Json) -> ModelReply:
        asked = tuple(ToolCall(**each) for each in it["asked"])
        return cls(it["text"], asked, tuple(it["blocks"]), SpentTokens(**it["spent"]), it["seconds"], it["stop"])
