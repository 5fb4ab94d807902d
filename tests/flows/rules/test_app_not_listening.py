"""A process that does not listen where its pod says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing
from flows.rules.app_not_listening import RULE
from flows.rules.service_wrong_target_port import RULE as TARGET_PORT
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.net_connect import About, Connects, Door, Role
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import Asked, AskedKind
from tests.flows.rules.edits import classes, said, with_doors
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
    asked = Asked(AskedKind.POD, ip, 8080, pod=pod)
    door = Door(ip, 8080, "tcp", "refused", "ECONNREFUSED", None, 1.0, About.ASKED, Role.PEER)
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
