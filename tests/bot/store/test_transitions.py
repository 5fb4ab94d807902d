"""An investigation's state changes along the table, and by one of those who try."""

from __future__ import annotations

import asyncio

import pytest

from bot.approval.states import ProposalState as Stands
from bot.store import LIVE, InvestigationState
from bot.store.store import Store
from bot.store.transitions import INVESTIGATION, PROPOSAL, TransitionNotAllowed
from tests.bot.approval.making import proposal
from tests.bot.store.words import NOW, RESULT, ROWS, admitted


def test_every_state_is_in_the_table_and_exactly_the_live_ones_lead_on():
    assert set(INVESTIGATION.after) == set(InvestigationState)
    assert {each for each, after in INVESTIGATION.after.items() if after} == set(LIVE)


def test_only_a_running_investigation_concludes():
    assert INVESTIGATION.before(InvestigationState.CONCLUDED) == (InvestigationState.RUNNING,)


async def test_of_many_ends_one_counts(store: Store):
    it = await admitted(store)
    await store.investigations.begin(it.id, NOW)
    ends = [
        store.investigations.finish(it.id, InvestigationState.CANCELLED, "", f"cancelled.{at}", NOW) for at in range(4)
    ]

    told = await asyncio.gather(store.investigations.conclude(it.id, RESULT, ROWS, "verdict", NOW), *ends)

    assert sum(key is not None for key in told) == 1


@pytest.mark.parametrize("end", [InvestigationState.FAILED, InvestigationState.CANCELLED, InvestigationState.LOST])
async def test_what_is_over_stays_as_it_ended(store: Store, end: InvestigationState):
    it = await admitted(store)
    await store.investigations.finish(it.id, end, "why", end.value, NOW)

    assert await store.investigations.begin(it.id, NOW) is None
    assert (await store.investigations.get(it.id)).state is end


async def test_a_step_that_the_table_does_not_know_is_refused_before_anything_is_asked(store: Store):
    async with store.database.writing() as connection:
        with pytest.raises(TransitionNotAllowed, match=r"what is proposed in proposals cannot become applied"):
            await PROPOSAL.change(connection, "p", Stands.APPLIED, (Stands.PROPOSED,))


async def test_of_the_states_that_lead_on_only_the_expected_one_counts(store: Store):
    it = proposal()
    await store.proposals.create(it, [], NOW)
    async with store.database.writing() as connection:
        other = await PROPOSAL.change(connection, it.id, Stands.SUPERSEDED, (Stands.APPROVED,))
        this = await PROPOSAL.change(connection, it.id, Stands.SUPERSEDED, (Stands.PROPOSED,))

    assert (other, this) == (False, True)
