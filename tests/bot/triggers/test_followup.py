"""Questions about a verdict: known ones are recognised, all others are left alone."""

from __future__ import annotations

import pytest

from bot.triggers.followup import FollowUpQuestion, Topic, is_about_verdict, is_plain, parse
from flows.causes import Layer


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("why?", FollowUpQuestion(Topic.WHY)),
        ("Why is that?", FollowUpQuestion(Topic.WHY)),
        ("what did you not measure?", FollowUpQuestion(Topic.NOT_MEASURED)),
        ("what didn\u2019t you look at?", FollowUpQuestion(Topic.NOT_MEASURED)),
        ("which layers were blind", FollowUpQuestion(Topic.NOT_MEASURED)),
        ("show fix", FollowUpQuestion(Topic.FIX)),
        ("how do I fix this?", FollowUpQuestion(Topic.FIX)),
        ("show evidence E3", FollowUpQuestion(Topic.EVIDENCE, "E3")),
        ("show me e12!", FollowUpQuestion(Topic.EVIDENCE, "E12")),
        ("evidence?", FollowUpQuestion(Topic.EVIDENCE)),
        ("how sure are you?", FollowUpQuestion(Topic.SURE)),
        ("is it DNS?", FollowUpQuestion(Topic.LAYER, layer=Layer.DNS)),
        ("what about the network policies", FollowUpQuestion(Topic.LAYER, layer=Layer.POLICY)),
        ("are the endpoints ok?", FollowUpQuestion(Topic.LAYER, layer=Layer.SERVICE)),
        ("is it the MTU?", FollowUpQuestion(Topic.LAYER, layer=Layer.PHYSICAL)),
        ("did you look at DNS or at the policy?", FollowUpQuestion(Topic.UNKNOWN)),
        ("why is it not DNS?", FollowUpQuestion(Topic.WHY)),
        ("is the coffee natural?", FollowUpQuestion(Topic.UNKNOWN)),
        ("is it going to rain?", FollowUpQuestion(Topic.UNKNOWN)),
        ("", FollowUpQuestion(Topic.UNKNOWN)),
    ],
)
def test_a_question_is_one_of_the_known_ones_or_unknown(asked: str, question: FollowUpQuestion):
    assert parse(asked) == question


def test_only_a_question_alone_is_answered_without_being_called():
    said = ["why?", "But why?", "how sure are you?", "show evidence E3", "why did alice do that?", "ok, show fix later"]

    assert [is_plain(each) for each in said] == [True, True, True, True, False, False]


def test_show_fix_is_about_the_verdict_and_show_id_is_not():
    assert [is_about_verdict(each) for each in ("show fix", "show evidence E3", "show 1f00baa5e77e", "why?")] == [
        True,
        True,
        False,
        False,
    ]
