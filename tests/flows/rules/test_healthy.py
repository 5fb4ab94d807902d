"""Calm, and only where calm was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Missing
from flows.rules.healthy import RULE
from sensors.dns_lookup import Lookups
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.net_connect import Connects
from tests.flows.rules.edits import classes, said, with_doors
from tests.kit.cases import case_of, names, with_facts, without


def test_speaks_when_all_that_was_measured_passes():
    (finding,) = said(RULE, case_of("search-to-index"))

    assert finding.component is None
    assert finding.cause.startswith("nothing is wrong now: search/search-77d6b7cd7-29rqp reaches Service search/index")


@pytest.mark.parametrize("name", [each for each in names() if each != "search-to-index"])
def test_stays_silent_in_every_recorded_incident(name):
    try:
        assert classes(RULE, case_of(name)) == []
    except Missing:
        assert name == "batch-new-worker"  # the pod never ran, so nothing could be asked from inside it


def test_stays_silent_when_the_asked_door_does_not_open():
    assert classes(RULE, with_doors(case_of("search-to-index"), "timeout")) == []


def test_stays_silent_when_the_asked_door_opens_to_a_repeated_syn_only():
    seen = case_of("search-to-index")
    late = tuple(replace(each, ms=1_004.0) for each in seen[Connects].doors)

    assert classes(RULE, with_facts(seen, replace(seen[Connects], doors=late))) == []


def test_stays_silent_when_hubble_saw_too_little():
    seen = case_of("search-to-index")

    assert classes(RULE, with_facts(seen, replace(seen[HubbleFlows], coverage=0.3))) == []


@pytest.mark.parametrize("facts", [HubbleFlows, Connects, Lookups, Services, Policies, PodFacts])
def test_cannot_tell_out_of_blindness(facts):
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(case_of("search-to-index"), facts))


def unheard(case):
    """As if no container's log could be read (synthetic)."""
    unread = ("log of search: not in the recording",)
    return with_facts(case, replace(case[PodFacts], log_errors=(), log_hosts=(), log_last=(), unread=unread))


def test_says_no_more_than_that_the_asked_peer_opens_where_nobody_read_the_log():
    (finding,) = said(RULE, unheard(case_of("search-to-index")))

    assert finding.belief < 0.7
    assert finding.because.endswith("its log was not read")
    assert finding.recommendation.startswith("Read the pod's own log")


def test_stays_silent_where_nobody_read_the_log_and_nobody_named_a_peer():
    unasked = replace(unheard(case_of("search-to-index")), derived={})
    unasked = replace(unasked, target=replace(unasked.target, to_host=None, to_port=None))

    assert classes(RULE, unasked) == []


# -- healthy must be earned --------------------------------------------------------------------------------------------


def test_an_empty_log_is_no_clean_log():
    seen = case_of("search-to-index")
    quiet = with_facts(seen, replace(seen[PodFacts], log_errors=(), log_last=()))

    (finding,) = said(RULE, quiet)

    assert finding.belief < 0.8
    assert finding.because.endswith("its log is empty")


def test_stays_silent_where_the_policies_deny_the_asked_peer_and_no_attempt_of_now_shows_it_open():
    """The recording of a denial without its drops, its failed attempts and its log: nothing of the fault is left."""
    seen = case_of("basket-to-pricing")
    flows, connects = seen[HubbleFlows], seen[Connects]
    opened = tuple(
        replace(
            each, drops=(), packets_dropped=0, dropped=0, outcome=ConnectionOutcome.OPENED, opened=max(each.opened, 1)
        )
        for each in flows.connections
    )
    calm = with_facts(
        seen,
        replace(flows, connections=opened),
        replace(connects, doors=tuple(each for each in connects.doors if each not in connects.asked)),
        replace(seen[PodFacts], log_errors=(), log_last=(("basket", "all is well"),)),
    )

    assert classes(RULE, calm) == []


def test_a_peer_that_opens_is_healthy_beside_another_that_is_broken_and_the_other_is_told():
    seen = case_of("search-to-index")
    flows = seen[HubbleFlows]
    one = next(each for each in flows.connections if each.destination.pod.startswith("index"))
    party = replace(one.destination, pod="stock-1", ip="10.244.9.9", workload="")
    broken = replace(one, destination=party, port=9999, outcome=ConnectionOutcome.UNANSWERED, opened=0)
    more = with_facts(seen, replace(flows, connections=(*flows.connections, broken)))

    (finding,) = said(RULE, more)

    assert "another fault of this pod: " in finding.cause
    assert "9999" in finding.recommendation
    assert "none of the pod's traffic was dropped" not in finding.because
