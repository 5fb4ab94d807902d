"""CoreDNS that has too much to do: its own words in the log of a recorded healthy cluster (synthetic)."""

from __future__ import annotations

from flows.model import Case, Component
from flows.rules.dns_overload import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from tests.flows.rules.facts import (
    ALWAYS,
    answered,
    dns_down,
    dns_says,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

SAID = "[ERROR] plugin/errors: 2 index.search.svc.cluster.local. A: concurrent queries exceeded maximum 1000"


def overrun(case: Case) -> Case:
    return dns_says(case, CoreDnsTrouble.OVERLOADED, SAID, count=412)


def test_speaks_of_questions_turned_away_while_look_ups_fail():
    finding = only(RULE, overrun(resolving(healthy(), answered(ALWAYS), failed("index", "timeout", 2500.0))))

    assert (finding.component, finding.belief >= 0.5) == (Component("Deployment", "kube-system", "coredns"), True)
    assert "412 times" in finding.cause


def test_stays_silent_as_root_cause_while_look_ups_are_quick():
    assert only(RULE, overrun(healthy())).belief < 0.5


def test_stays_silent_when_coredns_is_down_or_was_killed():
    assert judged(RULE, overrun(dns_down(healthy()))) == []
    assert judged(RULE, overrun(case_of("frontend-to-backend"))) == []


def test_stays_silent_as_root_cause_when_a_policy_drops_the_questions():
    assert only(RULE, overrun(case_of("worker-to-queue"))).belief < 0.5


def test_stays_silent_about_slow_look_ups_that_coredns_says_nothing_of():
    assert judged(RULE, resolving(healthy(), answered(ALWAYS, ms=4000.0))) == []


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(healthy(), CoreDns)) == "CoreDns"
