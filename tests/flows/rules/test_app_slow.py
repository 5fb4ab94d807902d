"""An answer that comes too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_slow import RULE
from sensors.k8s_pod import PodFacts
from sensors.kit.app_log import LogError, LogTrouble
from sensors.net_mtu import Mtu
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said
from tests.flows.rules.facts import altered
from tests.flows.rules.made import made
from tests.kit.cases import case_of, with_facts, without

SLOW = "curl: (28) Operation timed out after 3001 milliseconds with 0 bytes received"
NO_CONNECTION = "curl: (28) Connection timed out after 3001 milliseconds"


def waiting(name: str, words: str = SLOW) -> Case:
    """Synthetic: the caller's log ends with a time-out towards its asked peer."""
    seen = case_of(name)
    line = LogError("app", LogTrouble.TIMEOUT, words, 4, 28, seen.target.to_host or "", 80, seen.at)
    return with_facts(seen, replace(seen[PodFacts], log_errors=(line,)))


def test_speaks_when_everything_below_works_and_the_caller_waited_in_vain():
    (finding,) = said(RULE, waiting("search-to-index"))

    assert finding.component == Component("Deployment", "search", "index")
    assert "accepts connections at once and answers too late" in finding.cause


def test_stays_silent_when_large_packets_vanish():
    assert classes(RULE, waiting("gallery-to-media")) == []


def test_stays_silent_when_the_connection_itself_timed_out():
    assert classes(RULE, waiting("search-to-index", NO_CONNECTION)) == []


@pytest.mark.parametrize("name", ["search-to-index", "cart-to-coupons", "basket-to-pricing", "fx-to-rates"])
def test_stays_silent_when_nobody_waited_for_an_answer(name):
    assert classes(RULE, case_of(name)) == []


@pytest.mark.parametrize("facts", [PodFacts, Mtu, TcpStats])
def test_cannot_tell_without_the_log_the_sizes_or_the_sockets(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(waiting("search-to-index"), facts))


def test_stays_silent_where_segments_are_repeated():
    """Late because packets are lost: what the rule says of itself (nothing repeated) must be so (synthetic)."""
    slow = made("hangs_though_every_size_passes")
    counters = replace(slow[TcpStats].target.counters, segments_out=900, retransmitted=64)
    lossy = altered(slow, TcpStats, target=replace(slow[TcpStats].target, counters=counters))

    assert [each.cause_class for each in RULE.of(slow)] == ["app.slow"]
    assert RULE.of(lossy) == []
