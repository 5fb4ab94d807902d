"""Questions about a verdict: known ones are recognised however they are typed, all others are left alone."""

from __future__ import annotations

import pytest

from bot.answers.grammar import is_about_verdict, is_plain, nearest, parse
from bot.answers.question import Question, Topic
from bot.answers.spelling import words_of
from flows.causes import Layer
from tests.bot.answers.phrasings import PEOPLE_TALKING, PHRASINGS


@pytest.mark.parametrize(("asked", "topic"), [(asked, topic) for asked, topic, _ in PHRASINGS])
def test_a_question_is_known_however_it_is_typed(asked: str, topic: Topic):
    assert parse(asked).topic is topic


@pytest.mark.parametrize("asked", [asked for asked, *_ in PHRASINGS])
def test_a_question_alone_is_answered_without_a_call_by_name(asked: str):
    assert is_plain(asked)


@pytest.mark.parametrize("said", PEOPLE_TALKING)
def test_people_who_talk_to_each_other_are_left_alone(said: str):
    assert not is_plain(said)


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("show me e12!", Question(Topic.EVIDENCE, "E12")),
        ("show evidence E3", Question(Topic.EVIDENCE, "E3")),
        ("what about the network policies", Question(Topic.ABOUT, layers=(Layer.POLICY,))),
        ("did you look at DNS or at the policy?", Question(Topic.ABOUT, layers=(Layer.POLICY, Layer.DNS))),
        ("is it the MTU?", Question(Topic.ABOUT, causes=("mtu.mismatch",))),
        ("why not policy.fqdn_mismatch", Question(Topic.ABOUT, causes=("policy.fqdn_mismatch",))),
        ("why is it not DNS?", Question(Topic.ABOUT, layers=(Layer.DNS,))),
    ],
)
def test_a_question_names_evidence_layers_and_causes(asked: str, question: Question):
    found = parse(asked)

    assert (found.topic, found.evidence, set(found.layers), found.causes) == (
        question.topic,
        question.evidence,
        set(question.layers),
        question.causes,
    )


@pytest.mark.parametrize("asked", ["is the coffee natural?", "will it rain?", "", "who wrote the poem?", "42", "🙂"])
def test_what_no_rule_knows_is_unknown(asked: str):
    assert parse(asked).topic is Topic.UNKNOWN


def test_words_are_mended_and_words_of_their_own_are_kept():
    assert words_of("shwo teh fix, pls") == ["show", "the", "fix", "please"]
    assert words_of("what didn’t you measrue?") == ["what", "did", "not", "you", "measure"]
    assert words_of("later in the house of payments-api") == ["later", "in", "the", "house", "of", "payments", "api"]


def test_the_nearest_questions_share_words_and_are_at_most_three():
    assert nearest("did somebody change the plan of that")[0] == "what changed?"
    assert nearest("what is the meaning of life") == tuple(nearest("what is the meaning of life"))[:3]
    assert nearest("") == ("why?", "show fix", "what did you not measure?")


def test_show_fix_is_about_the_verdict_and_show_id_is_not():
    asked = ["show fix", "show evidence E3", "show 1f00baa5e77e", "why?"]

    assert [is_about_verdict(each) for each in asked] == [True, True, False, False]
