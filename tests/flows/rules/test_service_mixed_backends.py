"""A selector that catches two programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.service_mixed_backends import RULE
from flows.symptoms.peers import asked_peer
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from tests.flows.rules.edits import classes, said, with_service
from tests.kit.cases import case_of, with_facts, without

OTHER = "10.244.1.99"


def mixed(workload: Ref) -> Case:
    """Synthetic: a second backend beside the healthy one, which refuses."""
    seen = case_of("search-to-index")
    service, peer, flows = seen[Services].asked_service, asked_peer(seen), seen[HubbleFlows]
    assert service is not None
    assert service.matching_pods
    assert service.endpoints
    assert peer is not None
    pod = replace(service.matching_pods[0], pod="job-1", ips=(OTHER,), workload=workload)
    end = replace(service.endpoints[0], ip=OTHER, pod="job-1")
    good = peer.connections[0]
    bad = replace(
        good, destination=replace(good.destination, ip=OTHER), outcome=ConnectionOutcome.REFUSED, opened=0, refused=3
    )
    both = with_service(seen, matching_pods=(*service.matching_pods, pod), endpoints=(*service.endpoints, end))
    return with_facts(both, replace(flows, connections=(*flows.connections, bad)))


def test_speaks_of_the_workload_that_refuses_beside_the_one_that_answers():
    (finding,) = said(RULE, mixed(Ref("Job", "search", "reindex")))

    assert finding.component == Component("Service", "search", "index")
    assert finding.cause == (
        "Service search/index also selects the pods of Job search/reindex, which refuse; "
        "only Deployment search/index answers"
    )


def test_stays_silent_when_it_is_one_workload_with_an_unwell_pod():
    assert classes(RULE, mixed(Ref("Deployment", "search", "index"))) == []


@pytest.mark.parametrize("name", ["search-to-index", "chat-to-presence", "mobile-to-gateway"])
def test_stays_silent_when_one_workload_stands_behind_the_service(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("search-to-index"), Services))
