"""A pod that has used up its local ports: the recorded healthy pair with another log and other sockets (synthetic).

The log line is Go's, as cluster-api-provider-openstack wrote it in that state (its issue 3227; address changed).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.model import Case, Component, Missing
from flows.rules.nat_ephemeral_ports import RULE
from sensors.k8s_pod import PodFacts
from sensors.kit.app_log import read_line
from sensors.kit.proc_net import TcpSocket
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said
from tests.flows.rules.facts import altered, asks, healthy
from tests.kit.cases import without

LINE = "dial tcp 10.0.0.7:443: connect: cannot assign requested address"
RANGE = "net.ipv4.ip_local_port_range"


def saying(line: str, case: Case | None = None) -> Case:
    seen = case or healthy()
    error = read_line("search", line)
    assert error is not None
    return altered(seen, PodFacts, log_errors=(replace(error, count=40, time=seen.at),))


def holding(case: Case, count: int, first: int = 32768) -> Case:
    """So many connections in TIME_WAIT to one peer, each from another local port."""
    held = tuple(
        TcpSocket("TIME_WAIT", "10.244.0.246", first + number, "10.0.0.7", 443, 0, 0, 0, False, False)
        for number in range(count)
    )
    stats = case[TcpStats]
    return altered(case, TcpStats, target=replace(stats.target, connections=held))


def asking_for(case: Case, value: str) -> Case:
    return altered(case, PodFacts, sysctls=((RANGE, value),))


def test_speaks_where_the_sockets_to_one_peer_take_up_the_range() -> None:
    (finding,) = said(RULE, holding(saying(LINE), 27_900))

    assert (finding.cause_class, finding.component) == (
        "nat.ephemeral_ports",
        Component("Deployment", "search", "search"),
    )
    assert "27,900 of the 28,232 local ports lead to 10.0.0.7:443" in finding.because
    assert finding.belief >= 0.9


def test_speaks_of_a_pod_that_asks_for_next_to_no_ports() -> None:
    (finding,) = said(RULE, holding(asking_for(saying(LINE), "32000 32003"), 4, 32000))

    assert finding.belief >= 0.9
    assert "it is 32000 32003" in finding.recommendation


def test_speaks_less_surely_where_the_sockets_were_not_read() -> None:
    (finding,) = said(RULE, without(saying(LINE), TcpStats))

    assert 0.5 <= finding.belief < 0.8


@pytest.mark.parametrize("value", ["", "32768", "low high", "1024 65535 1", "٣٢ ٣٣"])
def test_a_range_that_is_none_is_the_kernel_s_own(value: str) -> None:
    (finding,) = said(RULE, holding(asking_for(saying(LINE), value), 27_900))

    assert "of the 28,232 local ports" in finding.because


def test_stays_silent_as_root_cause_where_most_ports_are_free() -> None:
    assert [each.belief < 0.5 for each in said(RULE, holding(saying(LINE), 300))] == [True]


def test_stays_silent_as_root_cause_about_another_peer_than_the_asked_one() -> None:
    line = "Get http://other.example/: dial tcp: connect: cannot assign requested address"
    case = saying(line, asks(holding(healthy(), 27_900), "index", 80))

    assert [each.belief < 0.5 for each in said(RULE, case)] == [True]


def test_stays_silent_about_a_server_that_cannot_bind() -> None:
    line = "level=error listen tcp 10.1.2.3:80: bind: cannot assign requested address"

    assert classes(RULE, holding(saying(line), 27_900)) == []


def test_stays_silent_about_an_ipv6_address() -> None:
    line = "dial tcp [2001:db8::7]:443: connect: cannot assign requested address"

    assert classes(RULE, saying(line)) == []


def test_stays_silent_about_what_is_long_over() -> None:
    case = saying(LINE)
    (error,) = case[PodFacts].log_errors
    old = altered(case, PodFacts, log_errors=(replace(error, time=case.at - timedelta(hours=3)),))

    assert classes(RULE, old) == []


def test_cannot_tell_without_the_pod() -> None:
    with pytest.raises(Missing, match="PodFacts"):
        said(RULE, without(saying(LINE), PodFacts))
