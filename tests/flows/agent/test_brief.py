from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.report.json_result import decode, encode
from flows.agent.brief import MAX_BRIEF_TOKENS, brief_of
from flows.agent.tokens import estimated
from tests.flows.agent.diagnoses import diagnosis_of

GOLDEN = Path(__file__).parent / "golden"
NONCE = "7f3a91c2"
LARGEST = ("api-server-cannot-watch", "frontend-to-backend", "reports-to-warehouse", "planner-to-roster")


@pytest.mark.parametrize("name", ["api-server-cannot-watch"])
def test_the_brief_reads_as_it_was_agreed(name: str) -> None:
    """`KAI_GOLDEN=write pytest …` writes it anew; read the difference before you commit it."""
    path = GOLDEN / f"{name}.txt"
    text = brief_of(diagnosis_of(name), NONCE).text
    if os.environ.get("KAI_GOLDEN") == "write":
        path.write_text(text, "utf-8")

    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_recordings_fit_the_budget(name: str) -> None:
    brief = brief_of(diagnosis_of(name), NONCE)

    assert brief.tokens == estimated(brief.text)
    assert brief.tokens <= MAX_BRIEF_TOKENS


def test_a_small_budget_cuts_facts_and_no_finding_layer_or_look() -> None:
    diagnosis = diagnosis_of("api-server-cannot-watch")
    whole, small = brief_of(diagnosis, NONCE), brief_of(diagnosis, NONCE, budget=2500)

    assert small.tokens < whole.tokens
    assert (small.findings, small.ledger, small.candidates) == (whole.findings, whole.ledger, whole.candidates)
    assert list(small.cited) == list(whole.cited)
    assert all(key in diagnosis.evidence for key in small.cited)


def test_what_shows_the_root_cause_comes_first() -> None:
    diagnosis = diagnosis_of("api-server-cannot-watch")

    assert tuple(brief_of(diagnosis, NONCE).cited)[: len(diagnosis.shown_by)] == diagnosis.shown_by


def test_every_part_stands_in_the_text_as_it_is_given() -> None:
    brief = brief_of(diagnosis_of("api-server-cannot-watch"), NONCE)

    lines = brief.text.splitlines()
    assert brief.question in lines
    for each in (*brief.cited.values(), *brief.findings, *brief.ledger, *brief.not_measured, *brief.doubts):
        assert each in lines
    for key, clause in brief.candidates.items():
        assert f"{key}: {clause}" in lines


def test_the_brief_of_a_kept_diagnosis_is_that_of_the_fresh_one() -> None:
    fresh = diagnosis_of("api-server-cannot-watch")

    assert brief_of(decode(encode(fresh)), NONCE) == brief_of(fresh, NONCE)
