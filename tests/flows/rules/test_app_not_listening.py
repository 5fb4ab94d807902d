"""A process that does not listen where its pod says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_not_listening import RULE
from flows.rules.service_mixed_backends import RULE as MIXED
from flows.rules.service_wrong_target_port import RULE as TARGET_PORT
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.net_connect import About, ConnectionAttempt, Connects, Role
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.rules.edits import classes, said, with_connections, with_doors, with_service
from tests.flows.rules.facts import healthy
from tests.flows.rules.made import edited, made
from tests.flows.variants.lab import Incident
from tests.kit.cases import case_of, with_facts, without


def test_speaks_of_a_process_that_binds_loopback_only():
    (finding,) = said(RULE, case_of("chat-to-presence"))

    assert finding.component == Component("Deployment", "chat", "presence")
    assert finding.recommendation == "Let the process bind 0.0.0.0:8080 (or ::) instead of loopback."


def test_speaks_with_less_certainty_when_the_sockets_were_not_seen():
    (finding,) = said(RULE, without(case_of("chat-to-presence"), TcpStats))

    assert finding.belief < 0.8
    assert finding.because.endswith("its socket table was not read")


@pytest.mark.parametrize("name", ["mobile-to-gateway", "web-to-catalog", "portal-to-profile", "search-to-index"])
def test_stays_silent_when_the_service_points_astray_or_has_no_backend(name):
    assert classes(RULE, case_of(name)) == []


def test_stays_silent_when_nothing_is_refused_but_times_out():
    assert classes(RULE, with_doors(case_of("basket-to-pricing"), "timeout", "ETIMEDOUT")) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("chat-to-presence"), Services))


def test_speaks_of_the_pod_whose_own_address_is_asked_for_and_that_nobody_saw_traffic_of():
    """No hubble, no Service in the question: the probe is refused, and the pod's socket table says why (synthetic)."""
    seen = without(case_of("chat-to-presence"), HubbleFlows)
    services = seen[Services]
    there = services.asked_service.matching_pods[0]
    pod = Ref("Pod", "chat", there.pod)
    ip = services.asked_service.endpoints[0].ip
    asked = ResolvedPeer(AskedKind.POD, ip, 8080, pod=pod)
    door = ConnectionAttempt(ip, 8080, "tcp", "refused", "ECONNREFUSED", None, 1.0, About.ASKED, Role.PEER)
    seen = with_facts(seen, replace(services, asked=asked), replace(seen[Connects], doors=(door,)))
    seen = replace(seen, target=replace(seen.target, to_host=ip, to_port=8080))

    finding, *_ = said(RULE, seen)

    assert finding.component == Component("Pod", "chat", there.pod)
    assert finding.recommendation == "Let the process bind 0.0.0.0:8080 (or ::) instead of loopback."


# -- listening elsewhere than declared ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["tourist-to-maps", "101-declared-port-nobody-listens", "101b-declared-port-listens-elsewhere"]
)
def test_speaks_where_the_declared_port_is_silent_and_the_process_listens_elsewhere(name):
    seen = case_of(name)
    (finding,) = said(RULE, seen)

    assert finding.component.kind == "Deployment"
    assert "it listens on 80" in finding.cause
    assert classes(TARGET_PORT, seen) == []


def test_leaves_it_to_the_service_where_the_container_declares_another_port_than_the_one_aimed_at():
    for name in ("mobile-to-gateway", "clerk-to-loans"):
        assert (classes(RULE, case_of(name)), classes(TARGET_PORT, case_of(name))) == (
            [],
            ["service.wrong_target_port"],
        )


# -- one backend of several --------------------------------------------------------------------------------------------

OTHER = "10.244.1.78"


def one_of_two(affinity: str = "None", *, workload: str = "index", failing: bool = True, **fields: Any) -> Case:
    """Synthetic: index has two ready pods, one of which refuses; its Service's address refuses this caller."""
    case = healthy()
    service = case[Services].asked_service
    assert service is not None
    end, pod = (service.endpoints or ())[0], (service.matching_pods or ())[0]
    ends = (end, replace(end, ip=OTHER, pod="index-b", **fields))
    pods = (pod, replace(pod, ips=(OTHER,), pod="index-b", workload=Ref("Deployment", "search", workload)))
    case = with_service(case, endpoints=ends, matching_pods=pods, session_affinity=affinity)
    door = ConnectionAttempt(OTHER, 8080, "TCP", "refused", "ECONNREFUSED", None, 0.2, About.ASKED, Role.BACKEND)
    doors = [
        replace(each, result="refused") if failing and each.role in FRONT else each for each in case[Connects].doors
    ]
    case = with_facts(case, replace(case[Connects], doors=(*doors, door)))
    shut = (lambda each: replace(each, outcome=ConnectionOutcome.REFUSED, opened=0)) if failing else (lambda each: each)
    return with_connections(case, shut)


FRONT = (Role.PEER, Role.SERVICE)


def test_speaks_of_the_one_pod_that_refuses_and_of_the_affinity_that_keeps_a_client_there():
    (finding,) = said(RULE, one_of_two("ClientIP"))

    assert finding.component == Component("Deployment", "search", "index")
    assert finding.cause.startswith("index-b behind Service search/index refuses connections on port 8080")
    assert "always to the same pod (sessionAffinity ClientIP)" in finding.cause
    assert finding.belief >= 0.8
    assert "ClientIP" not in said(RULE, one_of_two())[0].cause


def test_stays_silent_as_root_cause_about_one_pod_that_refuses_where_the_caller_is_well():
    assert [each.belief < 0.5 for each in said(RULE, one_of_two(failing=False))] == [True]


@pytest.mark.parametrize("fields", [{"terminating": True}, {"ready": False}])
def test_stays_silent_about_a_pod_that_gets_no_traffic(fields):
    assert classes(RULE, one_of_two(**fields)) == []


def test_leaves_pods_of_two_programs_to_the_selector():
    case = one_of_two(workload="other", failing=False)

    assert (classes(RULE, case), classes(MIXED, case)) == ([], ["service.mixed_backends"])


# -- a node's own address ----------------------------------------------------------------------------------------------

EXPORTER = "exporter_not_running_behind_a_host_policy"


def test_speaks_of_a_node_that_refuses_at_its_own_address():
    (finding,) = said(RULE, made(EXPORTER))

    assert finding.component == Component("Node", "", "lab2")
    assert "port 9100" in finding.cause


def test_stays_silent_where_the_address_is_no_node_s():
    assert classes(RULE, made("outside_refuses")) == []


def test_stays_silent_where_a_service_is_offered_at_that_port_of_nodes():
    def offered(lab: Incident) -> None:
        lab.find("services", "index", "search")["spec"]["ports"][0]["nodePort"] = 9100

    assert classes(RULE, edited(EXPORTER, offered)) == []


def test_a_node_port_of_the_same_number_changes_nothing_at_the_service_s_own_address():
    case = without(case_of("chat-to-presence"), TcpStats)
    services = case[Services]
    (asked,) = [each for each in services.services if each.ref == services.asked_service.ref]
    ports = tuple(replace(each, node_port=each.port) for each in asked.ports)
    kept = tuple(replace(each, ports=ports) if each is asked else each for each in services.services)

    assert classes(RULE, with_facts(case, replace(services, services=kept))) == ["app.not_listening"]


def test_stays_silent_where_one_attempt_at_the_node_timed_out():
    assert classes(RULE, with_doors(made(EXPORTER), "timeout", "ETIMEDOUT")) == []
