"""Two ends without a family in common: the recorded healthy pair with IPv6 addresses in places (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_not_listening import RULE as NOT_LISTENING
from flows.rules.ip_family import RULE
from flows.rules.nat_ephemeral_ports import RULE as NO_PORTS
from flows.rules.service_not_ready import RULE as NOT_READY
from flows.verdict import rank
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.app_log import read_line
from sensors.kit.proc_net import Listener
from sensors.net_connect import About, ConnectionAttempt, Connects, Role
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.rules.edits import classes, said, with_doors, with_service
from tests.flows.rules.facts import altered, asks, healthy
from tests.flows.rules.made import made
from tests.kit.cases import case_of, with_facts, without

V6, INDEX = "fd00:10:244:1::7", Component("Service", "search", "index")


def endpoint(case: Case, ip: str) -> Case:
    """index has one endpoint, of this address."""
    service = case[Services].asked_service
    assert service is not None
    assert service.endpoints is not None
    pod = replace((service.matching_pods or ())[0], ips=("10.244.1.245", V6))
    return with_service(case, endpoints=(replace(service.endpoints[0], ip=ip),), matching_pods=(pod,))


def listening(case: Case, *listeners: Listener) -> Case:
    stats = case[TcpStats]
    return altered(case, TcpStats, peers=tuple(replace(each, listeners=listeners) for each in stats.peers))


# -- a process that listens in the other family ------------------------------------------------------------------------


def deaf(*listeners: Listener, ip: str = V6) -> Case:
    return with_doors(listening(endpoint(healthy(), ip), *listeners), "refused", "ECONNREFUSED")


def test_speaks_of_a_process_that_listens_on_ipv4_behind_an_ipv6_service() -> None:
    case = deaf(Listener("0.0.0.0", 8080, v6=False))
    (finding,) = said(RULE, case)

    assert (finding.cause_class, finding.component) == ("ip.family", INDEX)
    assert "listens on port 8080 in IPv4 only" in finding.cause
    assert finding.belief >= 0.9
    assert classes(NOT_LISTENING, case) == []


def test_speaks_less_surely_of_a_socket_that_may_take_both() -> None:
    (finding,) = said(RULE, deaf(Listener("::", 8080, v6=True), ip="10.244.1.245"))

    assert "in IPv6 only" in finding.cause
    assert finding.belief < 0.9


def test_stays_silent_where_the_process_hears_both_or_nothing_at_all() -> None:
    both = deaf(Listener("0.0.0.0", 8080, v6=False), Listener("::", 8080, v6=True))
    none = deaf(Listener("0.0.0.0", 9090, v6=False))
    loopback = deaf(Listener("127.0.0.1", 8080, v6=False))

    assert [classes(RULE, each) for each in (both, none, loopback)] == [[], [], []]
    assert classes(NOT_LISTENING, none) == ["app.not_listening"]


def test_stays_silent_about_an_address_of_ipv4_that_an_ipv6_socket_is_bound_to() -> None:
    assert classes(RULE, deaf(Listener("10.244.1.245", 8080, v6=True), ip="10.244.1.245")) == []


@pytest.mark.parametrize("name", ["chat-to-presence", "tourist-to-maps", "82-ipv6-not-in-ipblock"])
def test_stays_silent_about_recorded_processes_that_listen_elsewhere_and_policies_of_one_family(name: str) -> None:
    assert classes(RULE, case_of(name)) == []


# -- a caller without the family ---------------------------------------------------------------------------------------


def called(address: str, result: str = "unreachable", errno: str | None = "ENETUNREACH") -> Case:
    case = asks(healthy(), "www.example.com", 443)
    door = ConnectionAttempt("www.example.com", 443, "TCP", result, errno, address, 0.3, About.ASKED, Role.PEER)
    outside = ResolvedPeer(AskedKind.EXTERNAL, "www.example.com", 443)
    return altered(altered(case, Services, asked=outside), Connects, doors=(door,), to="www.example.com:443")


def test_speaks_of_a_caller_that_has_no_address_of_the_family() -> None:
    (finding,) = said(RULE, called("2001:db8::7"))

    assert "has no IPv6 address itself" in finding.cause
    assert finding.component == Component("Deployment", "search", "search")
    assert finding.belief >= 0.9


def test_stays_silent_about_a_network_that_is_unreachable_in_the_pod_s_own_family() -> None:
    assert classes(RULE, called("203.0.113.7")) == []
    assert classes(RULE, called("2001:db8::7", "timeout", "ETIMEDOUT")) == []


def test_stays_silent_where_the_pod_has_both_families() -> None:
    case = called("2001:db8::7")

    assert classes(RULE, with_facts(case, replace(case[PodFacts], ips=("10.244.0.246", V6)))) == []


def logged(line: str, **fields: Any) -> Case:
    case, error = healthy(), read_line("search", line)
    assert error is not None
    nobody = replace(case, target=replace(case.target, to_host=None, to_port=None), derived={})
    return altered(nobody, PodFacts, log_errors=(replace(error, time=fields.get("time", case.at)),))


@pytest.mark.parametrize("word", ["network is unreachable", "cannot assign requested address"])
def test_speaks_by_the_caller_s_own_log(word: str) -> None:
    case = logged(f"dial tcp [2001:db8::7]:443: connect: {word}")
    (finding,) = said(RULE, case)

    assert 0.5 <= finding.belief < 0.8
    assert rank([*said(RULE, case), *said(NO_PORTS, case)])[0].cause_class == "ip.family"


def test_stays_silent_as_root_cause_where_the_log_complains_of_more_than_the_family() -> None:
    case = logged("dial tcp [2001:db8::7]:443: connect: network is unreachable")
    other = read_line("search", "dial tcp 203.0.113.7:443: i/o timeout")
    assert other is not None
    both = altered(case, PodFacts, log_errors=(*case[PodFacts].log_errors, replace(other, time=case.at)))

    assert [each.belief < 0.5 for each in said(RULE, both)] == [True]


def test_stays_silent_about_an_old_line_and_an_ipv4_one() -> None:
    old = healthy().at - timedelta(hours=2)

    assert classes(RULE, logged("dial tcp [2001:db8::7]:443: connect: network is unreachable", time=old)) == []
    assert classes(RULE, logged("dial tcp 203.0.113.7:443: connect: network is unreachable")) == []


# -- a Service whose pods have no address of its family ----------------------------------------------------------------


def test_speaks_of_a_service_of_which_no_pod_has_an_address() -> None:
    case = with_service(healthy(), families=(6,), endpoints=())
    (finding,) = said(RULE, case)

    assert (finding.component, finding.belief >= 0.9) == (INDEX, True)
    assert classes(NOT_READY, case) == []


def test_stays_silent_about_an_empty_service_whose_pods_are_not_ready() -> None:
    case = healthy()
    service = case[Services].asked_service
    assert service is not None
    unready = tuple(replace(each, ready=False) for each in service.matching_pods or ())

    assert classes(RULE, with_service(case, families=(6,), endpoints=(), matching_pods=unready)) == []
    assert classes(RULE, with_service(case, families=(4,), endpoints=())) == []


@pytest.mark.parametrize("facts", [PodFacts, Services])
def test_cannot_tell_without_its_facts(facts: type) -> None:
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(called("2001:db8::7"), facts))


def test_stays_silent_where_the_family_opens_and_only_an_ending_pod_refuses():
    assert RULE.of(made("refused_while_pods_are_replaced")) == []
