"""internalTrafficPolicy Local and no backend on the caller's node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing
from flows.rules.service_local_policy import RULE
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from tests.flows.rules.edits import classes, said, with_service
from tests.kit.cases import case_of, with_facts, without


def local(*, backend_on: str, caller_on: str):
    """Synthetic: the healthy pair with the policy set and both ends placed."""
    seen = case_of("search-to-index")
    service = seen[Services].asked_service
    assert service is not None
    assert service.endpoints
    ends = tuple(replace(each, node=backend_on) for each in service.endpoints)
    placed = with_facts(seen, replace(seen[PodFacts], node=caller_on))
    return with_service(placed, internal_traffic_policy="Local", endpoints=ends)


def test_speaks_when_every_backend_is_on_another_node():
    (finding,) = said(RULE, local(backend_on="lab2", caller_on="lab1"))

    assert finding.component == Component("Service", "search", "index")
    assert "none of its ready endpoints is on lab1, the caller's node (they are on lab2)" in finding.cause


def test_stays_silent_when_a_backend_is_on_the_caller_s_node():
    assert classes(RULE, local(backend_on="lab1", caller_on="lab1")) == []


def test_stays_silent_under_the_usual_policy():
    assert classes(RULE, case_of("search-to-index")) == []


def test_stays_silent_when_no_endpoint_is_ready_anywhere():
    assert classes(RULE, with_service(local(backend_on="lab2", caller_on="lab1"), endpoints=())) == []


@pytest.mark.parametrize("facts", [Services, PodFacts])
def test_cannot_tell_without_services_or_the_pod_s_place(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(local(backend_on="lab2", caller_on="lab1"), facts))


# -- asked as clients outside the cluster do ---------------------------------------------------------------------------


def test_speaks_of_a_node_port_of_a_node_without_a_backend():
    (finding,) = said(RULE, case_of("30-nodeport-local-empty-node"))

    assert finding.component == Component("Service", "cellar", "cask")
    assert "has externalTrafficPolicy Local" in finding.cause
    assert finding.belief > 0.5


def test_is_less_sure_about_a_load_balancers_address():
    (finding,) = said(RULE, case_of("30c-loadbalancer-local-own-ip"))

    assert 0.5 < finding.belief < 0.8


@pytest.mark.parametrize(
    "changes", [{"external_traffic_policy": "Cluster"}, {"endpoints": ()}], ids=["Cluster", "no endpoints"]
)
def test_stays_silent_about_a_node_port_that_any_backend_may_answer(changes):
    assert classes(RULE, with_service(case_of("30-nodeport-local-empty-node"), **changes)) == []


def test_stays_silent_where_that_node_has_a_backend():
    seen = case_of("30-nodeport-local-empty-node")
    service, asked = seen[Services].asked_service, seen[Services].asked
    assert service is not None
    assert service.endpoints is not None
    assert asked is not None
    here = tuple(replace(each, node=asked.node) for each in service.endpoints)

    assert classes(RULE, with_service(seen, endpoints=here)) == []
