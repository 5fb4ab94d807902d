"""The garbage collector runs again after a bulk of objects was made, however that ended."""

from __future__ import annotations

import gc

import pytest

from flows.policy import bulk


def test_the_collector_pauses_inside_and_runs_again_after() -> None:
    with bulk.collector_paused():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_the_collector_runs_again_after_an_error_inside() -> None:
    with pytest.raises(ValueError, match="inside"), bulk.collector_paused():
        raise ValueError("inside")

    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with bulk.collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_two_pauses_that_overlap_end_with_a_running_collector() -> None:
    first, second = bulk.collector_paused(), bulk.collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)

    assert gc.isenabled()
