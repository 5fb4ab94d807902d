"""What Claude cost is counted once, where it is written down; a call at a ceiling costs nothing and is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import generate_latest

from bot.telemetry.claude import CountedLedger
from bot.telemetry.metrics import Metrics
from flows.agent.asking import Before, Over, PlannedCall
from flows.agent.money import SpentTokens


class Book:
    """A ledger whose answer is given."""

    def __init__(self, said: Over | Before | None = None) -> None:
        self.said, self.ended = said, 0

    async def begin(self, call: PlannedCall) -> Over | Before | None:
        return self.said

    async def end(self, key: str, spent: SpentTokens, cost_usd: float, reply: Mapping[str, Any] | None) -> None:
        self.ended += 1


CALL = PlannedCall("i1.explain", "i1", "U1", "claude-sonnet-5-5", "explain", 1000, 0.5)


def page(metrics: Metrics) -> str:
    return "\n".join(line for line in generate_latest(metrics.registry).decode().splitlines() if "kai_claude" in line)


async def test_a_call_is_counted_with_its_tokens_and_its_cost() -> None:
    metrics, book = Metrics(), Book()
    ledger = CountedLedger(book, metrics)

    assert await ledger.begin(CALL) is None
    await ledger.end(CALL.key, SpentTokens(100, 20, 50, 7), 0.01, {"text": "said"})

    assert book.ended == 1
    assert 'kai_claude_requests_total{model="claude-sonnet-5-5",outcome="answered"} 1.0' in page(metrics)
    assert 'kai_claude_tokens_total{kind="input",model="claude-sonnet-5-5"} 107.0' in page(metrics)
    assert 'kai_claude_dollars_total{model="claude-sonnet-5-5"} 0.01' in page(metrics)


async def test_what_failed_and_what_a_ceiling_stopped_is_told_apart_and_an_old_answer_is_not_counted() -> None:
    metrics = Metrics()
    for said in (None, Over("day", 1.0, 0.9), Before(None)):
        ledger = CountedLedger(Book(said), metrics)
        if await ledger.begin(CALL) is None:
            await ledger.end(CALL.key, SpentTokens(), 0.0, None)

    shown = page(metrics)
    assert 'outcome="failed"} 1.0' in shown
    assert 'outcome="over_ceiling"} 1.0' in shown
    assert "answered" not in shown
