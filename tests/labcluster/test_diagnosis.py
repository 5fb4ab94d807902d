"""KAI looks at the lab over HTTP, websockets and gRPC: it sees what was recorded, and that the fix works."""

from __future__ import annotations

import asyncio

import pytest

from tests.labcluster.desk import CASES, apply, live_diagnosis, recorded_diagnosis, running

ALL = sorted(each.name for each in CASES.iterdir() if each.is_dir())
MENDED = ["checkout-to-bank", "reports-to-warehouse", "web-to-catalog", "frontend-to-backend"]
THE_REST = [
    "api-server-cannot-watch",
    "basket-to-pricing",
    "importer-to-store",
    "orders-to-ledger",
    "sync-to-partner",
    "worker-to-queue",
]


async def before_and_after(case):
    async with running(case) as lab:
        before = await live_diagnosis(lab)
        await apply(lab, "alice", before.fix)
        await lab.advance(60)
        after = await live_diagnosis(lab)
    return before, after


async def test_the_fix_turns_the_recorded_verdict_into_health():
    found = await asyncio.gather(*(before_and_after(case) for case in MENDED))

    recorded = [(await recorded_diagnosis(case)).cause_class for case in MENDED]
    assert [before.cause_class for before, _ in found] == recorded
    assert [after.cause_class for _, after in found] == ["none.healthy"] * len(MENDED)


@pytest.mark.slow
@pytest.mark.parametrize("case", THE_REST)
async def test_after_every_other_fix_no_policy_is_to_blame(case):
    before, after = await before_and_after(case)

    assert before.cause_class == (await recorded_diagnosis(case)).cause_class
    assert not after.cause_class.startswith("policy.")


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL)
async def test_the_lab_gives_the_recorded_verdict_now_and_later(case):
    recorded = await recorded_diagnosis(case)
    async with running(case) as lab:
        now = await live_diagnosis(lab)
        await lab.advance(20)
        later = await live_diagnosis(lab)

    told = [(each.cause_class, each.component) for each in (now, later)]
    assert told == [(recorded.cause_class, recorded.component)] * 2
