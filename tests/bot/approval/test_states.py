"""The one table of what may follow what."""

from __future__ import annotations

import pytest

from bot.approval.states import IN_FORCE, NEXT, OPEN, UNDER_WAY, State


def test_every_state_is_in_the_table_and_only_known_states_follow():
    assert set(NEXT) == set(State)


@pytest.mark.parametrize("after", [State.APPLYING, State.APPLIED, State.VERIFIED, State.ROLLED_BACK])
def test_nothing_is_written_without_an_approval(after):
    assert after not in NEXT[State.PROPOSED]


@pytest.mark.parametrize("over", [State.REJECTED, State.EXPIRED, State.SUPERSEDED, State.ROLLED_BACK])
def test_what_is_over_stays_over(over):
    assert NEXT[over] == frozenset()


def test_only_an_applied_change_can_be_verified():
    before = {each for each, following in NEXT.items() if State.VERIFIED in following}

    assert before == {State.APPLIED, State.NOT_VERIFIED}


def test_a_state_waits_for_a_person_or_is_carried_on_and_never_both():
    assert not (OPEN & UNDER_WAY)
    assert not (IN_FORCE & UNDER_WAY)


def test_no_state_that_is_carried_on_is_a_dead_end():
    assert all(NEXT[each] for each in UNDER_WAY)
