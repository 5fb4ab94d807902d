"""An outside host that does not answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.path_external import RULE
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from tests.flows.rules.edits import classes, said, with_connections, with_doors
from tests.kit.cases import case_of, without


def test_speaks_when_packets_leave_and_nothing_comes_back():
    (finding,) = said(RULE, case_of("fx-to-rates"))

    assert finding.component == Component("External", "", "172.30.0.77")
    assert finding.recommendation.startswith("Ask the operators of 172.30.0.77")


def test_a_host_that_refuses_is_not_said_to_be_down():
    refused = with_connections(case_of("fx-to-rates"), lambda each: replace(each, outcome=ConnectionOutcome.REFUSED))

    (finding,) = said(RULE, refused)

    assert finding.recommendation.endswith("nothing listens there, or a firewall rejects it.")


@pytest.mark.parametrize("name", ["agent-to-collector", "sync-to-partner", "api-server-cannot-watch"])
def test_stays_silent_when_a_policy_denies_it(name):
    assert classes(RULE, case_of(name)) == []


def in_the_service_range(seen: Case) -> Case:
    """Synthetic: the unanswered address is one of the Service range (a port the Service does not have)."""
    return with_connections(
        seen, lambda each: replace(each, destination=replace(each.destination, ip="10.96.7.7", names=("172.30.0.77",)))
    )


def test_stays_silent_when_the_address_only_looks_outside():
    assert classes(RULE, in_the_service_range(case_of("fx-to-rates"))) == []


def test_stays_silent_about_a_service_address_where_nobody_told_the_service_range():
    """A case.yaml by the README's recipe names the plug-in and nothing else: the Services that are there tell."""
    seen = in_the_service_range(case_of("fx-to-rates"))
    untold = replace(seen, environment=replace(seen.environment, service_cidrs=(), pod_cidrs=()), derived={})

    assert classes(RULE, untold) == []
    assert classes(RULE, without(untold, Services)) == []


def test_stays_silent_when_a_door_opens_after_all():
    assert classes(RULE, with_doors(case_of("fx-to-rates"), "open")) == []


def test_cannot_tell_without_flows():
    with pytest.raises(Missing, match="HubbleFlows"):
        said(RULE, without(case_of("fx-to-rates"), HubbleFlows))
