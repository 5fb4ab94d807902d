"""Look-ups that now and then take five seconds: a recorded healthy cluster with such answers (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component
from flows.rules.dns_conntrack_race import RULE
from sensors.dns_coredns_health import CoreDnsTrouble
from sensors.dns_lookup import Lookups
from sensors.net_conntrack_usage import Conntrack
from tests.flows.rules.facts import (
    ALWAYS,
    altered,
    answered,
    dns_says,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without


def counting(case: Case, failures: int, **table) -> Case:
    tables = case[Conntrack]
    here = tables.here
    assert here is not None
    changed = replace(here, counters={**here.counters, "insert_failed": failures}, **table)
    rest = tuple(each for each in tables.nodes if not each.hosts_target)
    return altered(case, Conntrack, nodes=(changed, *rest), datapath_table="netfilter")


def retried(case: Case) -> Case:
    return resolving(case, answered(ALWAYS, ms=1.0), answered("index", ms=5004.0))


def test_speaks_of_answers_after_the_retry_while_insertions_fail():
    finding = only(RULE, counting(retried(healthy()), 31))

    assert finding.component == Component("Node", "", "lab1")
    assert finding.belief >= 0.5
    assert "1 look-ups of search/search-77d6b7cd7-29rqp took 5 s and 1 did not" in finding.cause


def test_stays_silent_about_a_counter_since_boot_alone():
    assert judged(RULE, counting(healthy(), 31)) == []


def test_stays_silent_when_the_table_is_full():
    assert judged(RULE, counting(retried(healthy()), 31, count=262144, maximum=262144)) == []
    assert judged(RULE, case_of("edge-to-sessions")) == []


def test_stays_silent_when_the_servers_say_that_they_are_overrun():
    case = dns_says(
        counting(retried(healthy()), 31), CoreDnsTrouble.OVERLOADED, "concurrent queries exceeded maximum 1000"
    )

    assert judged(RULE, case) == []


def test_stays_silent_when_no_question_is_answered_at_all():
    assert judged(RULE, counting(resolving(healthy(), failed(ALWAYS, "timeout", 5000.0)), 31)) == []


def test_stays_silent_about_the_kernel_s_table_where_cilium_keeps_its_own():
    case = altered(counting(retried(healthy()), 31), Conntrack, datapath_table="cilium")

    assert judged(RULE, case) == []


def test_cannot_tell_without_look_ups_or_tables():
    assert doubts(RULE, without(healthy(), Lookups)) == "Lookups"
    assert doubts(RULE, without(healthy(), Conntrack)) == "Conntrack"
