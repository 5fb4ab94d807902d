"""A Service that sends to a port where nobody listens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing, SetTargetPort
from flows.rules.service_wrong_target_port import RULE
from sensors.k8s_services import Services
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said, with_service
from tests.kit.cases import case_of, without


def test_speaks_and_names_the_port_the_container_listens_on():
    (finding,) = said(RULE, case_of("mobile-to-gateway"))

    service = Component("Service", "mobile", "gateway")
    assert finding.component == service
    assert finding.remedy == SetTargetPort(service, 0, 8081, 8080)
    assert finding.cause == (
        "Service mobile/gateway sends port 80 to 8081, where no process listens; its pods' container listens on 8080"
    )


def test_speaks_from_what_the_container_declares_when_its_sockets_are_not_seen():
    (finding,) = said(RULE, without(case_of("mobile-to-gateway"), TcpStats))

    assert finding.cause.endswith("its pods' container declares 8080")


def test_speaks_of_a_named_port_that_no_pod_has():
    """Synthetic: the Service points at a name, and the pod has no port of it."""
    seen = case_of("mobile-to-gateway")
    service = seen[Services].asked_service
    assert service is not None
    assert service.matching_pods
    nameless = tuple(replace(pod, targets=(("", None),)) for pod in service.matching_pods)
    port = replace(service.ports[0], target_port="htpp")

    (finding,) = said(RULE, with_service(seen, matching_pods=nameless, ports=(port,)))

    assert "sends port 80 to htpp" in finding.cause
    assert "no container of its pods has a port named 'htpp'" in finding.because
    assert "refused" not in finding.because


@pytest.mark.parametrize("name", ["chat-to-presence", "search-to-index", "web-to-catalog", "basket-to-pricing"])
def test_stays_silent_when_the_declared_port_itself_is_refused_or_all_is_well(name):
    assert classes(RULE, case_of(name)) == []


def test_stays_silent_on_the_api_server_which_has_no_pods():
    assert classes(RULE, case_of("api-server-cannot-watch")) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("mobile-to-gateway"), Services))
