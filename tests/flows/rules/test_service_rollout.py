"""Pods that are being replaced: the recorded healthy pair with a second endpoint that ends (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_not_listening import RULE as NOT_LISTENING
from flows.rules.service_rollout import RULE
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import LogError, LogTrouble, PodFacts
from sensors.k8s_services import Services
from sensors.net_connect import About, ConnectionAttempt, Connects, Role
from tests.flows.rules.edits import classes, said, with_connections, with_service
from tests.flows.rules.facts import altered, healthy
from tests.kit.cases import without

OLD = "10.244.1.77"


def rolling(terminating: bool = True, ready: bool = False, result: str = "refused") -> Case:
    """index has a second pod, which ends; it is not open any more."""
    case = healthy()
    service = case[Services].asked_service
    assert service is not None
    assert service.endpoints is not None
    old = replace(service.endpoints[0], ip=OLD, pod="index-old", terminating=terminating, ready=ready)
    door = ConnectionAttempt(OLD, 8080, "TCP", result, "ECONNREFUSED", None, 0.4, About.ASKED, Role.BACKEND)
    case = altered(case, Connects, doors=(*case[Connects].doors, door))
    return with_service(case, endpoints=(*service.endpoints, old))


def tried(case: Case, outcome: ConnectionOutcome = ConnectionOutcome.REFUSED, **fields: Any) -> Case:
    """hubble saw the caller go to the pod that ends."""
    flows = case[HubbleFlows]
    one = next(each for each in flows.connections if each.port == 8080)
    there = replace(one.destination, ip=OLD, pod="index-old")
    other = replace(one, destination=there, outcome=outcome, opened=0, refused=3, **fields)
    return altered(case, HubbleFlows, connections=(*flows.connections, other))


def complaining(case: Case) -> Case:
    line = LogError("search", LogTrouble.REFUSED, "dial tcp: connection refused", 3, None, "index", 80, case.at)
    return altered(case, PodFacts, log_errors=(line,))


def test_speaks_of_connections_that_still_go_to_a_pod_that_ends() -> None:
    (finding,) = said(RULE, tried(rolling()))

    assert (finding.cause_class, finding.component) == ("service.rollout", Component("Deployment", "search", "index"))
    assert "index-old, which is ending, fail" in finding.cause
    assert finding.belief >= 0.8


def test_speaks_by_the_caller_s_own_log() -> None:
    (finding,) = said(RULE, complaining(rolling()))

    assert "connection refused" in finding.because
    assert classes(NOT_LISTENING, complaining(rolling())) == []


def test_stays_silent_as_root_cause_where_only_the_probe_went_there() -> None:
    assert [each.belief < 0.5 for each in said(RULE, rolling())] == [True]


def test_stays_silent_about_a_backend_that_is_broken_and_stays() -> None:
    assert classes(RULE, tried(rolling(terminating=False, ready=True))) == []


def test_stays_silent_where_the_pod_that_ends_still_serves() -> None:
    assert classes(RULE, rolling(result="open")) == []


def test_stays_silent_where_no_ready_endpoint_answers() -> None:
    shut = with_connections(tried(rolling()), lambda each: replace(each, outcome=ConnectionOutcome.REFUSED, opened=0))
    doors = tuple(replace(each, result="refused") for each in shut[Connects].doors)

    assert classes(RULE, altered(shut, Connects, doors=doors)) == []


def test_stays_silent_about_packets_that_a_policy_drops() -> None:
    case = tried(rolling(result="open"), ConnectionOutcome.DROPPED, packets_dropped=4)

    assert classes(RULE, case) == []


def test_cannot_tell_without_services() -> None:
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(rolling(), Services))
