"""No pod addresses left: a recorded pod that waits for its network, with the plug-ins' words for it (synthetic)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component
from flows.rules.cni_ip_exhaustion import RULE
from sensors.cni_health import CniHealth
from sensors.kit.objects import Ref
from tests.flows.rules.facts import altered, doubts, judged, only
from tests.kit.cases import case_of, without

CASE = "batch-new-worker"


@pytest.mark.parametrize("message", ["254 of 254 addresses are allocated", "failed (add): range is full"])
def test_speaks_of_a_node_without_addresses_on_which_the_pod_waits(message):
    finding = only(RULE, altered(case_of(CASE), CniHealth, exhausted=(("lab2", message),)))

    assert (finding.component, finding.belief >= 0.95) == (Component("Node", "", "lab2"), True)
    assert message in finding.cause
    assert "cni.agent_down" in finding.hides


def test_stays_silent_about_a_pod_that_waits_because_the_agent_is_down():
    assert judged(RULE, case_of(CASE)) == []


def test_stays_silent_about_a_full_node_that_hosts_nobody_of_the_complaint():
    case = altered(case_of(CASE), CniHealth, exhausted=(("lab1", "254 of 254 addresses are allocated"),))
    assert judged(RULE, case) == []

    stranger = replace(case_of(CASE)[CniHealth].stuck_pods[0], pod=Ref("Pod", "other", "job"))
    case = altered(case_of(CASE), CniHealth, stuck_pods=(stranger,), exhausted=(("lab2", "range is full"),))
    assert judged(RULE, case) == []


def test_cannot_tell_without_the_network_plug_in():
    assert doubts(RULE, without(case_of(CASE), CniHealth)) == "CniHealth"
