"""A load balancer that admits some sources only (synthetic: the recorded refused peer, behind one)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.service_source_range import RULE
from sensors.hubble.outcomes import Drop
from sensors.k8s_services import Services
from tests.flows.rules.edits import classes, said, with_connections, with_doors, with_service
from tests.kit.cases import case_of, with_facts, without

BALANCER = "198.51.100.9"


def balanced(*ranges: str, result: str = "timeout") -> Case:
    """The healthy pair, asked at an external address of the Service."""
    seen = with_service(case_of("search-to-index"), external_ips=(BALANCER,), source_ranges=ranges)
    services = seen[Services]
    assert services.asked is not None
    moved = with_facts(seen, replace(services, asked=replace(services.asked, host=BALANCER)))
    moved = replace(moved, target=replace(moved.target, to_host=BALANCER), derived={})
    return with_doors(moved, result)


def test_speaks_of_ranges_that_cover_neither_the_pod_nor_its_node():
    (finding,) = said(RULE, balanced("192.0.2.0/24"))

    assert finding.component == Component("Service", "search", "index")
    assert "admits 192.0.2.0/24 at its load balancer" in finding.cause
    assert finding.remedy is None


def test_speaks_surely_when_the_datapath_names_the_check():
    drop = Drop(177, "DENIED_BY_LB_SRC_RANGE_CHECK", "INGRESS", 4, 1, 100, 200)
    seen = with_service(case_of("search-to-index"), source_ranges=("192.0.2.0/24",))
    seen = with_connections(seen, lambda each: replace(each, drops=(drop,), packets_dropped=4))

    assert said(RULE, seen)[0].belief > 0.9


@pytest.mark.parametrize("ranges", [("10.244.0.0/16",), ("0.0.0.0/0",), ()])
def test_stays_silent_where_the_ranges_cover_the_caller_or_there_are_none(ranges):
    assert classes(RULE, balanced(*ranges)) == []


@pytest.mark.parametrize("result", ["open", "refused"])
def test_stays_silent_where_the_address_answers(result):
    assert classes(RULE, balanced("192.0.2.0/24", result=result)) == []


def test_stays_silent_inside_the_cluster():
    seen = with_service(case_of("search-to-index"), source_ranges=("192.0.2.0/24",))

    assert classes(RULE, with_doors(seen, "timeout")) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("search-to-index"), Services))
