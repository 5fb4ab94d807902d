"""Pods behind the Service, none of them ready."""

from __future__ import annotations

import pytest

from flows.model import Component, Missing
from flows.rules.service_not_ready import RULE
from sensors.k8s_services import Services
from tests.flows.rules.edits import classes, said
from tests.kit.cases import case_of, without


def test_speaks_with_the_probe_s_own_words():
    (finding,) = said(RULE, case_of("portal-to-profile"))

    assert finding.component == Component("Deployment", "accounts", "profile")
    assert finding.remedy is None
    assert "its only pod is not ready (Readiness probe failed: HTTP probe failed with statuscode: 404)" in finding.cause


def test_speaks_of_pods_that_a_lost_node_takes_along():
    (finding,) = said(RULE, case_of("planner-to-roster"))

    assert finding.component == Component("Service", "shifts", "roster")  # the workload itself needs no change
    assert "node lab2 is not ready" in finding.cause


@pytest.mark.parametrize("name", ["web-to-catalog", "search-to-index", "mobile-to-gateway", "chat-to-presence"])
def test_stays_silent_when_nothing_matches_or_something_is_ready(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("portal-to-profile"), Services))
