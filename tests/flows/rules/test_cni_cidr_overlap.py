"""A server outside whose address the cluster took for itself (synthetic: the recorded outside peer, moved)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.cni_cidr_overlap import RULE
from sensors.dns_lookup import Lookups
from sensors.k8s_services import Services
from sensors.topology.peer import AskedKind
from tests.flows.rules.edits import classes, said, with_doors
from tests.flows.rules.facts import ALWAYS, OUTSIDE, answered, asks, resolving
from tests.kit.cases import case_of, with_facts, without


def outside_at(address: str, result: str = "timeout") -> Case:
    """The pod asks for api.example.com, which resolves to this address and does not open."""
    seen = asks(case_of("fx-to-rates"), OUTSIDE, 443)
    services = seen[Services]
    assert services.asked is not None
    seen = with_facts(seen, replace(services, asked=replace(services.asked, kind=AskedKind.EXTERNAL, host=OUTSIDE)))
    row = replace(answered(OUTSIDE), addresses=(address,))
    return with_doors(resolving(seen, answered(ALWAYS), row), result)


@pytest.mark.parametrize(("address", "whose"), [("10.244.1.250", "pods"), ("10.96.200.7", "Services")])
def test_speaks_of_an_outside_name_with_an_address_of_the_clusters_own_range(address, whose):
    (finding,) = said(RULE, outside_at(address))

    assert f"{OUTSIDE} is {address}, which lies in the cluster's own range of {whose}" in finding.cause
    assert finding.component == Component("External", "", OUTSIDE)


def test_stays_silent_on_an_address_outside_every_range():
    assert classes(RULE, outside_at("203.0.113.10")) == []


def test_stays_silent_where_it_opens():
    assert classes(RULE, outside_at("10.244.1.250", "open")) == []


def test_stays_silent_on_an_address_that_a_service_of_the_cluster_has():
    assert classes(RULE, outside_at("10.96.0.10")) == []


def test_stays_silent_on_an_address_in_the_question_which_may_be_a_pod_that_is_gone():
    seen = outside_at("10.244.1.250")

    assert classes(RULE, replace(seen, target=replace(seen.target, to_host="10.244.1.250"), derived={})) == []


@pytest.mark.parametrize("facts", [Lookups, Services])
def test_cannot_tell_without_look_ups_or_services(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(outside_at("10.244.1.250"), facts))
