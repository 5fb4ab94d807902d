"""A caller that its own settings send astray: the recorded healthy pair with another log and settings (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_client_config import RULE
from flows.rules.app_not_listening import RULE as NOT_LISTENING
from sensors.k8s_pod import DeclaredPort, PodFacts
from sensors.k8s_services import Services
from sensors.kit.app_log import read_line
from sensors.kit.proc_net import Listener
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said, with_doors, with_service
from tests.flows.rules.facts import altered, asks, container, healthy
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of, without

SEARCH = Component("Deployment", "search", "search")
LINE = "level=error dial tcp 127.0.0.1:80: connect: connection refused"


def saying(line: str, case: Case | None = None) -> Case:
    seen, error = case or healthy(), read_line("search", line)
    assert error is not None
    return altered(seen, PodFacts, log_errors=(replace(error, count=12, time=seen.at),))


# -- localhost ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        "Error: connect ECONNREFUSED ::1:80".replace("::1", "[::1]"),
        "Error 111 connecting to localhost:80. Connection refused.",
    ],
)
def test_speaks_of_a_pod_that_calls_itself_instead_of_the_service(line: str) -> None:
    (finding,) = said(RULE, saying(line))

    assert (finding.cause_class, finding.component) == ("app.client_config", SEARCH)
    assert "Service search/index has that port" in finding.cause
    assert "to index.search:80 instead of" in finding.recommendation
    assert finding.belief >= 0.8


def test_speaks_less_surely_where_its_sockets_were_not_read() -> None:
    (finding,) = said(RULE, without(saying(LINE), TcpStats))

    assert 0.5 <= finding.belief < 0.8


@pytest.mark.parametrize("fields", [{}, {"init": True, "state": "running"}])
def test_is_never_sure_beside_another_container_that_may_be_meant_to_serve_the_port(fields: dict[str, Any]) -> None:
    case = saying(LINE)
    beside = container(case, name="sql-proxy", ports=(), **fields)
    (finding,) = said(RULE, altered(case, PodFacts, containers=(*case[PodFacts].containers, beside)))

    assert 0.5 <= finding.belief < 0.8


def test_stays_silent_about_a_container_of_the_same_pod_that_is_down() -> None:
    case = saying(LINE)
    box = container(case, name="cache", ports=(DeclaredPort("", 80, "TCP"),), ready=False)

    assert classes(RULE, altered(case, PodFacts, containers=(*case[PodFacts].containers, box))) == []


def test_stays_silent_where_something_of_the_pod_does_listen_there() -> None:
    case = saying(LINE)
    mine = replace(case[TcpStats].target, listeners=(Listener("127.0.0.1", 80, v6=False),))

    assert classes(RULE, altered(case, TcpStats, target=mine)) == []


def test_stays_silent_about_a_mesh_s_proxy_that_does_not_run() -> None:
    case = saying(LINE)
    proxy = container(case, name="istio-proxy", ready=False)

    assert classes(RULE, altered(case, PodFacts, containers=(*case[PodFacts].containers, proxy))) == []


def test_stays_silent_about_a_pod_that_looks_whether_it_answers_itself() -> None:
    case = saying(LINE)
    service = case[Services].asked_service
    assert service is not None
    me = replace((service.matching_pods or ())[0], pod=case.target.pod)

    assert classes(RULE, with_service(case, matching_pods=(me,))) == []


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("127.0.0.1:80", "10.96.51.29:80"),
        LINE.replace("127.0.0.1:80", "127.0.0.1:6000"),
        LINE.replace("connection refused", "i/o timeout"),
    ],
)
def test_stays_silent_about_other_peers_other_ports_and_timeouts(line: str) -> None:
    assert classes(RULE, saying(line)) == []


def test_a_peer_that_refuses_is_not_the_caller_s_setting() -> None:
    case = case_of("chat-to-presence")

    assert (classes(RULE, case), classes(NOT_LISTENING, case)) == ([], ["app.not_listening"])


# -- a proxy -----------------------------------------------------------------------------------------------------------

PROXIED = 'Get "http://index/": proxyconnect tcp: dial tcp 10.9.9.9:3128: i/o timeout'


def behind(no_proxy: str, line: str = PROXIED, **others: str) -> Case:
    said = {"HTTP_PROXY": "http://user:pw@proxy.corp:3128", "NO_PROXY": no_proxy, **others}
    env = [{"name": name, "value": value} for name, value in said.items()]

    def change(thing: dict[str, Any]) -> None:
        if thing["kind"] == "Pod" and thing["metadata"]["name"].startswith("search-"):
            thing["spec"]["containers"][0]["env"] = env

    return with_objects(saying(line), change)


def test_speaks_of_a_proxy_that_is_asked_for_a_service_of_the_cluster() -> None:
    (finding,) = said(RULE, behind("localhost,127.0.0.1"))

    assert finding.cause.startswith("search/search-77d6b7cd7-29rqp asks the proxy proxy.corp:3128 for")
    assert "pw" not in finding.cause
    assert finding.belief >= 0.9


def test_stays_silent_as_root_cause_where_no_log_tells_of_the_proxy_or_the_peer_does_not_open() -> None:
    quiet = behind("localhost", "level=error dial tcp 10.96.51.29:80: i/o timeout")
    shut = with_doors(behind("localhost"), "timeout")

    assert [each.belief < 0.5 for case in (quiet, shut) for each in said(RULE, case)] == [True, True]


@pytest.mark.parametrize("no_proxy", ["*", "index", "localhost, index"])
def test_stays_silent_where_no_proxy_covers_the_peer(no_proxy: str) -> None:
    assert classes(RULE, behind(no_proxy)) == []


@pytest.mark.parametrize(
    ("no_proxy", "is_covered"),
    [
        (".svc", True),
        ("svc", True),
        ("*.svc", True),
        ("other.svc", False),
        ("10.0.0.0/8", False),
        ("dex.search.svc", False),
    ],
)
def test_a_domain_covers_what_ends_with_it(no_proxy: str, is_covered: bool) -> None:
    case = asks(behind(no_proxy), "index.search.svc", 80)

    assert (classes(RULE, case) == []) is is_covered


def test_stays_silent_where_a_range_covers_the_address() -> None:
    assert classes(RULE, asks(behind("10.96.0.0/12"), "10.96.51.29", 80)) == []


@pytest.mark.parametrize("facts", [PodFacts, Services])
def test_cannot_tell_without_its_facts(facts: type) -> None:
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(saying(LINE), facts))
