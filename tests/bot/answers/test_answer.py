"""Answers about a verdict: from what is stored, never more certain than what was measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.answers.answer import answer, cannot
from bot.answers.approvers import approvers_of
from bot.answers.grammar import parse
from bot.answers.known import Alike, AnswerFacts
from bot.approval.rules import read
from bot.report.mrkdwn import BREAK
from bot.slack.limits import problems
from flows.causes import CAUSES
from tests.bot.report.examples import DENIED, FIX, HEALTHY
from tests.bot.report.test_blocks import texts
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of

AT = datetime(2026, 11, 29, 21, 15, tzinfo=UTC)


def said(question: str, known: AnswerFacts) -> str:
    found = answer(parse(question), known)
    return "\n".join([found.text, *texts(list(found.blocks))]).replace(BREAK, "").replace("*", "")


@pytest.mark.parametrize("name", names())
def test_why_not_any_cause_has_an_answer_that_slack_takes_for_every_recorded_incident(name: str):
    known = AnswerFacts(diagnosis_of(name), AT)
    answers = [answer(parse(f"why not {cause}"), known) for cause in CAUSES if "." in cause]

    assert [problems(each) for each in answers if problems(each)] == []


def test_nothing_that_was_not_measured_is_ruled_out():
    known = AnswerFacts(DENIED)

    assert "mtu.mismatch could not be decided" in said("is it mtu", known) or "not ruled out" in said(
        "is it mtu", known
    )


def test_the_root_cause_is_confirmed_with_its_reasons():
    assert "Yes: policy.egress_denied is the root cause." in said(
        "egress policy?", AnswerFacts(diagnosis_of("api-server-cannot-watch"))
    )


def test_others_with_the_same_cause_are_named_with_the_time():
    known = AnswerFacts(DENIED, AT, (Alike("shop/web → db:5432", AT),))

    assert "shop/web → db:5432 (21:15:00 UTC)" in said("who else is affected?", known)


def test_a_fix_that_was_not_replayed_is_not_said_to_take_nothing_away():
    replayed, not_replayed = FIX, replace(FIX, proof=None)

    assert "It takes nothing away." in said("is it safe?", AnswerFacts(replace(DENIED, fix=replayed)))
    assert "It takes nothing away." not in said("is it safe?", AnswerFacts(replace(DENIED, fix=not_replayed)))


def test_a_sentence_applies_nothing_and_says_where_the_button_is():
    known = AnswerFacts(DENIED, AT, change="◇ Waiting for an approval.", approvers="In production: alice.")

    assert "press Approve & apply" in said("fix it", known)
    assert "In production: alice." in said("who can approve", known)
    assert "Waiting for an approval" in said("is it fixed?", known)


def test_a_refused_fix_is_not_called_safe():
    refused = AnswerFacts(replace(DENIED, fix=replace(FIX, refused="it would open the whole namespace")))

    assert "No: KAI refuses to propose it. It would open the whole namespace." in said("is it safe?", refused)


def test_a_verdict_without_a_change_says_so():
    assert "proposes no change" in said("undo", AnswerFacts(HEALTHY))
    assert "proposes no change" in said("is it safe", AnswerFacts(HEALTHY))


def test_what_it_cannot_answer_comes_with_three_questions_that_it_can():
    found = cannot("who wrote the poem?").text

    assert found.count(" · ") == 2
    assert [parse(each).topic.value for each in found.partition("Ask: ")[2].split(" · ")].count("") == 0


def test_approvers_are_named_as_kubernetes_knows_them_and_nobody_is_mentioned():
    people = {"U1ALICE": {"user": "alice@corp.example"}, "U2BOB": {"user": "bob@corp.example"}}
    rules = {"approvers": ["U1ALICE", "net-admins"], "needed": 2, "two_persons": True}
    words = approvers_of(read({"people": people, "namespaces": {"shop": rules}}), ["shop"]).replace(BREAK, "")

    assert "In shop: alice@corp.example, members of net-admins." in words
    assert "It takes 2 of them. Whoever asked does not count." in words
    assert "<@" not in words
    assert approvers_of(read(None), ["shop"]) == ""
