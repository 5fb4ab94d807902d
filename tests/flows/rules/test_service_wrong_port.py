"""A port, or a protocol, that the Service does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_not_listening import RULE as NOT_LISTENING
from flows.rules.service_wrong_port import RULE
from flows.rules.service_wrong_target_port import RULE as TARGET_PORT
from flows.verdict import rank
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said, with_connections, with_doors, with_service
from tests.kit.cases import case_of, with_facts, without


def asking_for(port: int) -> Case:
    """Synthetic: the healthy pair, asked about another port."""
    seen = case_of("search-to-index")
    services = seen[Services]
    assert services.asked is not None
    moved = with_facts(seen, replace(services, asked=replace(services.asked, port=port)))
    return replace(moved, target=replace(seen.target, to_port=port), derived={})


def test_speaks_and_says_the_port_the_service_has():
    (finding,) = said(RULE, asking_for(9090))

    assert finding.cause_class == "service.wrong_port"
    assert finding.component == Component("Deployment", "search", "search")
    assert finding.cause.endswith("asks Service search/index for port 9090, which it does not have; it has 80/TCP")
    assert finding.recommendation == "Let the caller use port 80 of Service search/index."


def test_speaks_of_the_pods_own_port_used_on_the_service():
    (finding,) = said(RULE, asking_for(8080))

    assert finding.cause.endswith("(8080 is the pods' own port behind 80)")


def over_udp(said: str | None) -> Case:
    """Synthetic: the same Service with its port as UDP, TCP to it refused by the probe, and nothing seen of the pod."""
    seen = without(case_of("search-to-index"), HubbleFlows)
    service = seen[Services].asked_service
    assert service is not None
    udp = with_doors(with_service(seen, ports=(replace(service.ports[0], protocol="UDP"),)), "refused", "ECONNREFUSED")
    return replace(udp, target=replace(udp.target, to_protocol=said), derived={})


def test_speaks_of_a_port_offered_over_udp_only():
    (finding,) = said(RULE, over_udp("TCP"))

    assert finding.cause_class == "service.protocol"
    assert finding.cause.endswith("offers port 80 over UDP only, and the caller speaks TCP")


@pytest.mark.parametrize("protocol", [None, "UDP"])
def test_stays_silent_where_only_the_probe_spoke_tcp(protocol):
    assert classes(RULE, over_udp(protocol)) == []


def pods_speak(declared: str, offered: str, *, listens: bool = False, result: str = "refused") -> Case:
    """Synthetic: the pods declare 8080 over one protocol, the Service offers it over the other."""
    case = case_of("search-to-index")
    service = case[Services].asked_service
    assert service is not None
    pods = tuple(replace(each, declared=(("", 8080, declared),)) for each in service.matching_pods or ())
    case = with_service(case, ports=(replace(service.ports[0], protocol=offered),), matching_pods=pods)
    if not listens:
        silent = tuple(replace(each, listeners=()) for each in case[TcpStats].peers)
        case = with_facts(case, replace(case[TcpStats], peers=silent))
    case = with_connections(
        case, lambda each: replace(each, outcome=ConnectionOutcome.UNANSWERED, opened=0, protocol=offered)
    )
    return with_doors(case, result, "ECONNREFUSED") if result else case


@pytest.mark.parametrize(("declared", "offered"), [("UDP", "TCP"), ("TCP", "UDP")])
def test_speaks_of_pods_that_speak_the_other_protocol(declared: str, offered: str):
    case = pods_speak(declared, offered)
    (finding,) = said(RULE, case)

    assert (finding.cause_class, finding.component) == ("service.protocol", Component("Service", "search", "index"))
    assert finding.cause.endswith(f"over {offered} only, and its pods speak {declared} there")
    assert finding.belief >= 0.9
    assert classes(TARGET_PORT, case) == []
    assert rank([*said(RULE, case), *said(NOT_LISTENING, case)])[0].cause_class == "service.protocol"


def test_stays_silent_where_the_declaration_is_what_is_wrong():
    assert classes(RULE, pods_speak("UDP", "TCP", listens=True)) == []
    assert classes(RULE, pods_speak("TCP", "TCP")) == []


def test_stays_silent_about_another_protocol_where_it_opens():
    case = pods_speak("UDP", "TCP", result="open")

    assert classes(RULE, with_connections(case, lambda each: replace(each, outcome=ConnectionOutcome.OPENED))) == []


@pytest.mark.parametrize(
    "name", ["mobile-to-gateway", "search-to-index", "basket-to-pricing", "api-server-cannot-watch"]
)
def test_stays_silent_when_the_port_exists_and_points_astray(name):
    assert classes(RULE, case_of(name)) == []


def test_stays_silent_on_a_headless_service_where_any_port_may_be_right():
    assert classes(RULE, with_service(asking_for(9090), headless=True)) == []


def headless(result: str, port: int = 80) -> Case:
    seen = with_service(asking_for(port), headless=True)
    return with_doors(seen, result, "ECONNREFUSED" if result == "refused" else None)


def test_speaks_of_the_service_port_dialled_on_the_pods_of_a_headless_service():
    (finding,) = said(RULE, headless("refused"))

    assert finding.component == Component("Service", "search", "index")
    assert "they listen on 8080" in finding.cause
    assert "port 8080" in finding.recommendation


def test_stays_silent_on_a_headless_service_whose_pods_refuse_their_own_port():
    assert classes(RULE, headless("refused", 8080)) == []
    assert classes(RULE, headless("timeout")) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("search-to-index"), Services))
