"""An address of a pod that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing
from flows.rules.service_stale_address import RULE
from sensors.hubble.outcomes import Drop
from sensors.k8s_services import Services
from sensors.topology.peer import AskedKind
from tests.flows.rules.edits import classes, said, with_connections
from tests.kit.cases import case_of, with_facts, without


def dropped(number: int, reason: str):
    """Synthetic: the healthy connection, dropped on the destination's node."""
    drop = Drop(number, reason, "INGRESS", 4, 1, 100, 200)
    return with_connections(case_of("search-to-index"), lambda each: replace(each, drops=(drop,), packets_dropped=4))


def test_speaks_when_the_datapath_knows_no_such_endpoint():
    (finding,) = said(RULE, dropped(151, "STALE_OR_UNROUTABLE_IP"))

    assert finding.component == Component("Deployment", "search", "search")
    assert "4 packets dropped as STALE_OR_UNROUTABLE_IP (151)" in finding.because


def test_speaks_of_a_pod_address_that_no_pod_has():
    """Synthetic: the question names an address of the pod range that is nobody's."""
    seen = case_of("fx-to-rates")
    services = seen[Services]
    assert services.asked is not None
    asked = replace(services.asked, kind=AskedKind.EXTERNAL, host="10.244.1.250")
    moved = with_facts(seen, replace(services, asked=asked))

    (finding,) = said(RULE, replace(moved, target=replace(seen.target, to_host="10.244.1.250"), derived={}))

    assert finding.cause.endswith("calls 10.244.1.250, and no pod has that address any more")


def test_stays_silent_on_a_denial_by_policy():
    assert classes(RULE, dropped(133, "POLICY_DENIED")) == []


@pytest.mark.parametrize("name", ["fx-to-rates", "search-to-index", "orders-to-ledger"])
def test_stays_silent_on_living_pods_and_outside_addresses(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("fx-to-rates"), Services))


def test_speaks_of_a_nodes_pod_address_on_the_wire_that_no_pod_has():
    (finding,) = said(RULE, case_of("38c-tcp-stuck-unasked"))

    assert "calls 10.244.2.17, and no pod has that address any more" in finding.cause
    assert finding.because == "no pod has 10.244.2.17; it lies in the pod range of node n2"


def test_a_host_inside_a_wide_pool_is_a_suspicion_only():
    (finding,) = said(RULE, case_of("98b-server-inside-pod-pool-no-nodes"))

    assert finding.belief < 0.5
    assert "a server of the network may have that address, too" in finding.because
