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
