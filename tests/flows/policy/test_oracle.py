"""The table of verdicts fixed by documentation and other projects' tests, case by case."""

from __future__ import annotations

import pytest

from tests.flows.policy.oracle import CASES, Case, wrong_answers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_documented_verdict_is_given(case: Case) -> None:
    assert list(wrong_answers(case)) == []
