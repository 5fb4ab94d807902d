"""The ledger of calls: what is spent is counted before it is sent, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.store.claude_calls import ClaudeCalls, usage_of
from bot.store.store import Store
from flows.agent.asking import Before, Over, PlannedCall
from flows.agent.money import Ceilings, SpentTokens
from tests.bot.store.words import NOW

CALL = PlannedCall("i1.explain", "i1", "U1", "claude-sonnet-5-5", "explain", 8000, 0.04)


def ledger(store: Store, **ceilings: float) -> ClaudeCalls:
    return ClaudeCalls(store.database, Ceilings(**ceilings), lambda: NOW)


async def test_a_call_that_was_begun_is_never_begun_again_and_its_answer_is_there_to_read(store: Store):
    calls = ledger(store)

    assert await calls.begin(CALL) is None
    assert await calls.begin(CALL) == Before(None)
    await calls.end(CALL.key, SpentTokens(10, 20), 0.01, {"text": "said"})
    assert await calls.begin(CALL) == Before({"text": "said"})


async def test_until_the_cost_is_known_the_most_it_may_be_counts(store: Store):
    calls = ledger(store, investigation=0.07)

    await calls.begin(CALL)
    assert await calls.begin(replace(CALL, key="i1.review")) == Over("investigation", 0.07, 0.04)
    await calls.end(CALL.key, SpentTokens(10, 20), 0.01, None)
    assert await calls.begin(replace(CALL, key="i1.review")) is None


@pytest.mark.parametrize(
    ("ceilings", "other", "over"),
    [
        ({"day": 0.05}, replace(CALL, key="i2.explain", investigation="i2", person="U2"), "day"),
        ({"person": 0.05}, replace(CALL, key="i2.explain", investigation="i2"), "person"),
        ({"person": 0.05}, replace(CALL, key="i2.explain", investigation="i2", person="U2"), None),
        ({"investigation": 0.05}, replace(CALL, key="i2.explain", investigation="i2"), None),
    ],
)
async def test_each_ceiling_counts_its_own(
    store: Store, ceilings: dict[str, float], other: PlannedCall, over: str | None
):
    calls = ledger(store, **ceilings)
    await calls.begin(CALL)

    said = await calls.begin(other)

    assert (said.ceiling if isinstance(said, Over) else None) == over


async def test_what_was_spent_a_day_ago_counts_no_more(store: Store):
    await ClaudeCalls(store.database, Ceilings(), lambda: NOW - timedelta(hours=24, seconds=1)).begin(CALL)

    assert await ledger(store, day=0.05).begin(replace(CALL, key="i2.explain", investigation="i2")) is None


async def test_of_ten_that_begin_at_once_no_more_pass_than_the_ceiling_has_room_for(store: Store):
    calls = ledger(store, day=0.13)
    many = [replace(CALL, key=f"i{n}.explain", investigation=f"i{n}", person=f"U{n}") for n in range(10)]

    said = await asyncio.gather(*map(calls.begin, many))

    assert sum(each is None for each in said) == 3


async def test_the_usage_of_an_investigation_is_the_sum_of_its_calls(store: Store):
    calls = ledger(store)
    for number in (1, 2):
        await calls.begin(replace(CALL, key=f"i1.{number}", purpose=str(number)))
        await calls.end(f"i1.{number}", SpentTokens(10, 20, 30, 40), 0.01, None)

    usage = usage_of(await calls.of("i1"))

    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (2, 20, 40)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.cost_usd) == (60, 80, 0.02)
    assert (usage.model, usage.estimated_tokens) == ("claude-sonnet-5-5", 16000)


async def test_calls_are_forgotten_with_what_is_old(store: Store):
    await ledger(store).begin(CALL)

    await store.retention.forget(NOW + timedelta(seconds=1), NOW)

    assert await ledger(store).all() == ()
