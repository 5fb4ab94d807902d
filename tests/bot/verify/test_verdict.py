"""What a look after a change proves, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.approval.proposal import Tuple5
from bot.verify.verdict import SeenConnection, TrafficSince, Try, VerificationOutcome, judge, last_drop

AT = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
S = timedelta(seconds=1)
API = Tuple5("shop/web-1", "10.0.0.1", "TCP", 6443, "shop/Deployment web", "", "10.0.0.1")
DB = Tuple5("shop/web-1", "shop/db-0", "TCP", 5432, "shop/Deployment web", "shop/StatefulSet db", "10.1.0.9")
OPEN = SeenConnection(API, opened=12, last_opened=AT + S)
SHUT = SeenConnection(API, dropped=3, last_drop=AT + S)


def said(*seen: SeenConnection, tries: tuple[Try, ...] = (), blind: str = "") -> VerificationOutcome:
    return judge([API], [], TrafficSince(seen, tries, blind), AT).outcome


def test_new_attempts_that_are_forwarded_and_none_dropped_verify():
    verdict = judge([API], [], TrafficSince((OPEN,), (Try("10.0.0.1:6443", "open"),)), AT)

    assert verdict.outcome is VerificationOutcome.VERIFIED
    assert verdict.words() == "verified: 12 forwarded, 0 dropped; 1 of 1 tries open"


def test_attempts_from_before_the_change_prove_nothing():
    assert said(SeenConnection(API, opened=12, last_opened=AT - S)) is VerificationOutcome.UNDECIDED


def test_a_window_without_traffic_does_not_verify_a_change():
    verdict = judge([API], [], TrafficSince(), AT)

    assert verdict.outcome is VerificationOutcome.UNDECIDED
    assert verdict.words().startswith("not measured: 0 forwarded, 0 dropped (no new attempt")


def test_traffic_of_other_pods_does_not_verify_a_change():
    assert said(SeenConnection(DB, opened=99, last_opened=AT + S)) is VerificationOutcome.UNDECIDED


def test_a_drop_after_the_change_fails_it_also_beside_successes():
    assert said(SHUT) is VerificationOutcome.FAILED
    assert said(OPEN, SHUT) is VerificationOutcome.FAILED


def test_a_drop_from_before_the_change_does_not_count():
    assert said(OPEN, SeenConnection(API, dropped=847, last_drop=AT - S)) is VerificationOutcome.VERIFIED


def test_a_connection_that_is_newly_denied_fails_it():
    verdict = judge([API], [], TrafficSince((OPEN, SeenConnection(DB, dropped=1, last_drop=AT + S))), AT)

    assert verdict.outcome is VerificationOutcome.FAILED
    assert verdict.newly == ("shop/web-1 → shop/db-0 on TCP 5432",)


def test_what_was_denied_before_all_the_same_is_not_newly_denied():
    assert (
        judge([API], [DB], TrafficSince((OPEN, SeenConnection(DB, dropped=1, last_drop=AT + S))), AT).outcome
        is VerificationOutcome.VERIFIED
    )


def test_a_try_of_our_own_that_fails_fails_it():
    verdict = judge([API], [], TrafficSince((OPEN,), (Try("10.0.0.1:6443", "refused"),)), AT)

    assert verdict.outcome is VerificationOutcome.FAILED
    assert "10.0.0.1:6443 refused" in verdict.words()


def test_an_open_try_counts_alone_only_where_no_flow_can_be_read():
    tries = (Try("10.0.0.1:6443", "open"),)

    assert said(tries=tries, blind="no flow could be read") is VerificationOutcome.VERIFIED
    assert said(tries=tries) is VerificationOutcome.UNDECIDED
    assert said(blind="no flow could be read") is VerificationOutcome.UNDECIDED


def test_for_a_change_that_no_denied_flow_is_about_an_open_try_counts():
    """A Service's port: nothing was dropped, and nothing can be forwarded that was."""
    tries = TrafficSince(tries=(Try("backend:80", "open"),))

    assert judge([], [], tries, AT).outcome is VerificationOutcome.VERIFIED
    assert judge([], [], TrafficSince(tries=(Try("backend:80", "refused"),)), AT).outcome is VerificationOutcome.FAILED
    assert judge([], [], TrafficSince(), AT).outcome is VerificationOutcome.UNDECIDED


@pytest.mark.parametrize(
    ("flow", "same"),
    [
        (Tuple5("shop/web-2", "shop/db-1", "TCP", 5432, "shop/Deployment web", "shop/StatefulSet db"), True),
        (Tuple5("shop/web-1", "10.1.0.9", "TCP", 5432, "", "", "10.1.0.9"), True),
        (Tuple5("shop/web-1", "shop/db-0", "TCP", 5433), False),
        (Tuple5("shop/web-1", "shop/db-0", "UDP", 5432), False),
        (Tuple5("shop/other", "shop/db-0", "TCP", 5432), False),
        (Tuple5("shop/web-1", "shop/cache-0", "TCP", 5432), False),
    ],
)
def test_a_connection_is_known_again_when_its_pods_are_others(flow, same):
    assert DB.is_like(flow) is same


def test_a_connection_without_a_destination_equals_no_other():
    assert not Tuple5("shop/web-1", "", "TCP", 1).is_like(Tuple5("shop/web-1", "", "TCP", 1))


def test_the_last_drop_is_the_newest_of_all():
    later = SeenConnection(DB, dropped=1, last_drop=AT + 5 * S)

    assert last_drop(TrafficSince((SHUT, later)), AT) == AT + 5 * S
    assert last_drop(TrafficSince((SHUT,)), AT + 2 * S) is None
