"""Counts what Claude was asked and what that cost, where it is written down anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.telemetry.metrics import ClaudeAnswer, Metrics
from flows.agent.asking import Before, Ledger, Over, PlannedCall
from flows.agent.money import SpentTokens


@dataclass
class CountedLedger:
    """The ledger behind it, and a figure for each call that was paid for, failed or stopped at a ceiling."""

    ledger: Ledger
    metrics: Metrics
    _models: dict[str, str] = field(default_factory=dict)

    async def begin(self, call: PlannedCall) -> Over | Before | None:
        said = await self.ledger.begin(call)
        if isinstance(said, Over):
            self.metrics.claude_answered(ClaudeAnswer(call.model, "over_ceiling"))
        elif said is None:
            self._models[call.key] = call.model
        return said

    async def end(self, key: str, spent: SpentTokens, cost_usd: float, reply: Mapping[str, Any] | None) -> None:
        await self.ledger.end(key, spent, cost_usd, reply)
        outcome = "answered" if reply is not None else "failed"
        taken, cached = spent.input + spent.cache_write, spent.cache_read
        model = self._models.pop(key, "unknown")
        self.metrics.claude_answered(ClaudeAnswer(model, outcome, taken, spent.output, cached, cost_usd))
