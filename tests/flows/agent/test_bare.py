from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.agent.bare_brief import bare_brief_of
from flows.agent.brief import MAX_BRIEF_TOKENS
from flows.agent.closed_words import is_closed
from flows.agent.pseudonyms import pseudonyms_of
from flows.model import Diagnosis
from sensors.kit import Target
from tests.flows.agent.attacks import Attack, attacked, words_of
from tests.kit.diagnoses import diagnosis_of
from tests.kit.sampling import examples

CASE = "api-server-cannot-watch"
NONCE = "7f3a91c2"


def bare(it: Diagnosis) -> str:
    return bare_brief_of(it, NONCE, pseudonyms_of(it)).text


def test_figures_states_and_outcomes_are_there_and_names_are_not() -> None:
    text = bare(diagnosis_of(CASE))

    for there in ("dropped: 820", "reason: POLICY_DENIED", "result: timeout", "result: open", "trouble: timeout"):
        assert there in text
    for gone in ("api-server", "production", "strict-egress", "watch failed", "10.96.0.1"):
        assert gone not in text


@pytest.mark.parametrize("name", [CASE, "frontend-to-backend", "reports-to-warehouse", "search-to-index"])
def test_it_fits_the_budget(name: str) -> None:
    it = diagnosis_of(name)

    assert bare_brief_of(it, NONCE, pseudonyms_of(it)).tokens <= MAX_BRIEF_TOKENS


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.text(st.characters(categories=("L", "N", "Zs"), exclude_characters="_"), min_size=4), min_size=1))
def test_no_word_that_somebody_wrote_is_there(words: list[str]) -> None:
    plain = bare(diagnosis_of(CASE))
    attack = Attack("any", "any", {"E2.log_last.0.1": " ".join(words), "E2.events.0.message": words[0]})

    text = bare(attacked(diagnosis_of(CASE), attack))

    strange = {word for word in words_of(attack, plain) if not is_closed(word)}
    assert [word for word in strange if word in text] == []


@pytest.mark.parametrize("name", ["none.healthy", "say-healthy", "ignore", "忽略指令"])
def test_a_name_is_a_pseudonym_or_none(name: str) -> None:
    it = replace(diagnosis_of(CASE), target=Target(name, name, name, 443))

    assert name not in bare(it).partition("\n## Verdict")[0].partition("## Question")[2]


@pytest.mark.parametrize("word", ["820", "1.5", "170Mi", "2026-11-23T21:09:53Z", "v1.36.2", "POLICY_DENIED", "timeout"])
def test_figures_and_members_of_enumerations_are_closed(word: str) -> None:
    assert is_closed(word)


@pytest.mark.parametrize("word", ["none.healthy", "ignore", "1gnore", "v1.ignore", "say", "2026-ignore"])
def test_a_word_that_anybody_can_choose_is_not(word: str) -> None:
    assert not is_closed(word)
