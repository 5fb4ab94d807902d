"""A pod that is its Service's only backend (synthetic: the recorded healthy pair, made one)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.service_hairpin import RULE
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.net_connect import Connects
from tests.flows.rules.edits import classes, said, with_doors, with_service
from tests.kit.cases import case_of, with_facts, without


def itself(result: str = "timeout") -> Case:
    """search calls Service index, whose only endpoint is search itself."""
    seen = case_of("search-to-index")
    service, pod = seen[Services].asked_service, seen[PodFacts]
    assert service is not None
    assert service.endpoints is not None
    mine = replace(service.endpoints[0], ip=pod.ips[0], pod=pod.pod)
    return with_doors(with_service(seen, endpoints=(mine,)), result)


def test_speaks_of_a_pod_that_is_its_own_only_backend():
    (finding,) = said(RULE, itself())

    assert finding.cause == (
        "search/search-77d6b7cd7-29rqp cannot reach itself through Service search/index: "
        "its only backend is the caller itself"
    )
    assert finding.component == Component("Node", "", "lab1")


def test_stays_silent_when_it_opens():
    assert classes(RULE, itself("open")) == []


def test_stays_silent_when_nobody_listens_there():
    assert classes(RULE, itself("refused")) == []


def test_stays_silent_about_a_service_with_other_backends():
    assert classes(RULE, with_doors(case_of("search-to-index"), "timeout")) == []


def test_is_less_sure_where_its_own_port_was_not_seen_to_answer():
    (finding,) = said(RULE, itself())

    assert finding.belief < 0.8
    assert "whether its own port answers was not seen" in finding.because


@pytest.mark.parametrize("facts", [Services, PodFacts, Connects])
def test_cannot_tell_without_its_facts(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(itself(), facts))


def test_reads_nothing_of_a_pod_without_addresses():
    assert classes(RULE, with_facts(itself(), replace(itself()[PodFacts], ips=()))) == []
