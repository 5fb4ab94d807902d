"""One grammar for a length of time, wherever it is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.kit.durations import seconds_in, written


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), (" 30 s ", 30)],
)
def test_a_time_is_a_number_and_its_unit(said: str, seconds: float) -> None:
    assert seconds_in(said) == seconds


@pytest.mark.parametrize("said", ["", "0s", "0.0m", "10", "-5m", "1h30m", "٣m", "15 minutes", "1e3s", "9999999d", "m"])
def test_anything_else_is_no_time(said: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as 90s"):
        seconds_in(said)


@given(st.integers(1, 10**7))
def test_a_time_survives_being_written(seconds: int) -> None:
    assert seconds_in(written(seconds)) == seconds
