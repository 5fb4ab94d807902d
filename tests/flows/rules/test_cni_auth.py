"""A network plug-in that the API refuses: a recorded waiting pod with the words of such events (synthetic)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component
from flows.rules.cni_auth import RULE
from sensors.cni_health import CniHealth
from tests.flows.rules.facts import altered, doubts, judged, only
from tests.kit.cases import case_of, without

CASE = "batch-new-worker"
SAID = "error getting ClusterInformation: connection is unauthorized: Unauthorized"


def saying(message: str) -> Case:
    case = case_of(CASE)
    return altered(case, CniHealth, stuck_pods=(replace(case[CniHealth].stuck_pods[0], message=message),))


def test_speaks_of_a_plug_in_that_is_not_let_in():
    finding = only(RULE, saying(SAID))

    assert (finding.component, finding.belief >= 0.95) == (Component("Node", "", "lab2"), True)
    assert SAID in finding.because
    assert "cni.agent_down" in finding.hides


@pytest.mark.parametrize("message", ["", "unable to connect to Cilium agent: cilium.sock", "range is full"])
def test_stays_silent_about_an_agent_that_does_not_run_or_has_no_address(message):
    assert judged(RULE, saying(message)) == []


def test_cannot_tell_without_the_network_plug_in():
    assert doubts(RULE, without(case_of(CASE), CniHealth)) == "CniHealth"
