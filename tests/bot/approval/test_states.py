"""The one table of what may follow what."""

from __future__ import annotations

import pytest

from bot.approval.states import IN_FORCE, NEXT, OPEN, UNDER_WAY, ProposalState


def test_every_state_is_in_the_table_and_only_known_states_follow():
    assert set(NEXT) == set(ProposalState)


@pytest.mark.parametrize(
    "after", [ProposalState.APPLYING, ProposalState.APPLIED, ProposalState.VERIFIED, ProposalState.ROLLED_BACK]
)
def test_nothing_is_written_without_an_approval(after):
    assert after not in NEXT[ProposalState.PROPOSED]


@pytest.mark.parametrize(
    "over", [ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.SUPERSEDED, ProposalState.ROLLED_BACK]
)
def test_what_is_over_stays_over(over):
    assert NEXT[over] == frozenset()


def test_only_an_applied_change_can_be_verified():
    before = {each for each, following in NEXT.items() if ProposalState.VERIFIED in following}

    assert before == {ProposalState.APPLIED, ProposalState.NOT_VERIFIED}


def test_a_state_waits_for_a_person_or_is_carried_on_and_never_both():
    assert not (OPEN & UNDER_WAY)
    assert not (IN_FORCE & UNDER_WAY)


def test_no_state_that_is_carried_on_is_a_dead_end():
    assert all(NEXT[each] for each in UNDER_WAY)
