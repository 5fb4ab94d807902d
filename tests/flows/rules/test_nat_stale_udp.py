"""A UDP sender that is stuck on a pod which is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.belief import PROBABLE
from flows.model import Component, Missing
from flows.rules.nat_stale_udp import RULE
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from tests.flows.rules.edits import classes, said
from tests.flows.rules.made import edited, made
from tests.kit.cases import case_of, with_facts, without

STUCK = "38b-udp-stuck-unasked"


def altered(**changes):
    seen = case_of(STUCK)
    flows = seen[HubbleFlows]
    touched = tuple(replace(each, **changes) if each.protocol == "UDP" else each for each in flows.connections)
    return with_facts(seen, replace(flows, connections=touched))


def test_speaks_of_datagrams_to_a_pod_that_is_gone_behind_a_service_that_has_others():
    (finding,) = said(RULE, case_of(STUCK))

    assert finding.cause.startswith(
        "courier/meterman-7c8b9d6f5-s4s4s still sends UDP 8125 to 10.244.2.17, a pod that is gone"
    )
    assert finding.component == Component("Node", "", "n1")
    assert "conntrack -D -p udp" in finding.recommendation


def test_stays_silent_on_tcp_which_is_a_remembered_address():
    assert classes(RULE, case_of("38c-tcp-stuck-unasked")) == []


def test_stays_silent_on_datagrams_that_are_answered():
    assert classes(RULE, altered(outcome=ConnectionOutcome.OPENED)) == []


def test_stays_silent_where_no_service_has_that_port():
    seen = case_of(STUCK)
    none = with_facts(seen, replace(seen[Services], services=()))

    assert classes(RULE, none) == []


@pytest.mark.parametrize("name", ["shipper-to-statsd", "search-to-index", "fx-to-rates"])
def test_stays_silent_on_living_peers_and_outside_addresses(name):
    assert classes(RULE, case_of(name)) == []


@pytest.mark.parametrize("facts", [HubbleFlows, Services])
def test_cannot_tell_without_flows_or_services(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(case_of(STUCK), facts))


def test_the_asked_service_s_own_datagrams_count_in_full():
    """Asked for by its name: the old address is what the Service's address was translated to (synthetic)."""
    (finding,) = RULE.of(made("datagrams_still_go_to_the_old_pod"))

    assert finding.belief == PROBABLE


def test_another_service_s_datagrams_stay_aside():
    (finding,) = RULE.of(edited("datagrams_still_go_to_the_old_pod", lambda lab: lab.asked("index:80")))

    assert finding.belief < PROBABLE / 2


def test_datagrams_to_another_port_of_the_asked_service_stay_aside():
    def asks_the_other_port(lab):
        more = {"name": "events", "port": 8126, "protocol": "UDP"}
        lab.find("services", "statsd", "search")["spec"]["ports"].append(more | {"targetPort": 8126})
        lab.slice_of("statsd")["ports"].append(more)
        lab.asked("statsd:8126/udp")

    (finding,) = RULE.of(edited("datagrams_still_go_to_the_old_pod", asks_the_other_port))

    assert finding.belief < PROBABLE / 2
