"""The operator's rules: read strictly, and the safe thing where nothing is said."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from bot.approval.proposal import KubeUser
from bot.approval.rules import Approvals, AskRule, BadRules, Hours, Rules, read

FULL = {
    "people": {"U1ALICE": {"user": "alice", "groups": ["oncall"]}},
    "email": {"domains": ["Corp.example"], "prefix": "slack:", "groups": ["slack"]},
    "everywhere": {"ask": "rights", "expiry": "10m"},
    "namespaces": {
        "payments": {"needed": 2, "two_persons": True, "quiet": "22:00-06:00", "denied_kinds": ["Service"]},
        "kube-system": {"denied": True},
    },
}


def test_all_words_are_read():
    found = read(FULL)

    assert found.directory.people == {"U1ALICE": KubeUser("alice", ("oncall",))}
    assert found.directory.domains == {"corp.example"}
    assert found.of("shop") == Rules(ask=AskRule.RIGHTS, expiry=timedelta(minutes=10))
    assert found.of("kube-system").denied
    assert found.of("payments") == Rules(
        ask=AskRule.RIGHTS,
        expiry=timedelta(minutes=10),
        needed=2,
        two_persons=True,
        quiet=Hours(time(22), time(6)),
        denied_kinds=frozenset({"Service"}),
    )


def test_without_a_word_nobody_may_approve():
    assert read(None) == Approvals()
    assert not read(None).enabled
    assert read(FULL).enabled


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "approvals should hold keys"),
        ({"peple": {}}, "approvals: unknown word 'peple'; did you mean 'people'?"),
        ({"namespaces": {"shop": {"neded": 2}}}, "approvals.namespaces.shop: unknown word 'neded'"),
        ({"namespaces": {"shop": {"needed": True}}}, "approvals.namespaces.shop.needed should be a number"),
        ({"namespaces": {"shop": {"needed": 0}}}, "should be a number from 1 to 10"),
        ({"everywhere": {"two_persons": "yes"}}, "approvals.everywhere.two_persons should be true or false"),
        ({"everywhere": {"ask": "group"}}, "approvals.everywhere.askers is missing"),
        ({"everywhere": {"ask": "nobody"}}, "should be everyone, group, rights"),
        ({"everywhere": {"expiry": "30"}}, "such as 30m"),
        ({"everywhere": {"expiry": "0m"}}, "such as 30m"),
        ({"everywhere": {"expiry": "48h"}}, "at most 24h"),
        ({"everywhere": {"quiet": "25:00-06:00"}}, "hours in UTC"),
        ({"everywhere": {"approvers": [7]}}, "should be a list of words"),
        ({"people": {"alice": {"user": "alice"}}}, "named by their Slack ids"),
        ({"people": {"U1ALICE": {}}}, "approvals.people.U1ALICE.user should be a person's own name"),
        ({"people": {"U1ALICE": {"user": "system:admin"}}}, "should be a person's own name"),
        ({"people": {"U1ALICE": {"user": "a", "groups": ["system:masters"]}}}, "not 'system:masters'"),
        ({"email": {"domains": ["a.example"], "groups": ["system:masters"]}}, "not 'system:masters'"),
        ({"email": {"domains": ["a.example"], "prefix": ""}}, "prefix should not be empty"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(said, words):
    with pytest.raises(BadRules) as caught:
        read(said)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("hour", "quiet"), [(21, False), (22, True), (23, True), (5, True), (6, False), (12, False)])
def test_quiet_hours_go_over_midnight(hour, quiet):
    assert Hours(time(22), time(6)).holds(datetime(2026, 1, 1, hour, tzinfo=UTC)) is quiet


def test_for_two_namespaces_the_stricter_rule_holds():
    both = read(FULL).strictest(["shop", "payments"])

    assert (both.needed, both.two_persons, both.denied_kinds) == (2, True, {"Service"})
