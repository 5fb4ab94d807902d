"""A pod that has not started: a recorded pod that waits, with other things to wait for (synthetic)."""

from __future__ import annotations

from flows.model import Component
from flows.rules.pod_pending import RULE
from sensors.k8s_pod import PodFacts
from sensors.kit.events import EventFact
from sensors.kit.objects import Ref
from tests.flows.rules.facts import altered, container, doubts, judged, only
from tests.kit.cases import case_of, without

CASE = "batch-new-worker"
WORKER = Component("Deployment", "batch", "batch-extra")


def test_speaks_of_a_pod_that_no_node_takes():
    said = "Unschedulable: 0/2 nodes are available: 2 Insufficient memory."

    finding = only(RULE, altered(case_of(CASE), PodFacts, node="", scheduling=said))

    assert (finding.component, finding.belief >= 0.95) == (WORKER, True)
    assert "2 Insufficient memory" in finding.cause


def test_speaks_of_an_image_that_cannot_be_had():
    case = case_of(CASE)
    waits = container(
        case, waiting_reason="ImagePullBackOff", waiting_message="Back-off pulling image", image="lab/tols:1"
    )

    finding = only(RULE, altered(case_of(CASE), PodFacts, containers=(waits,)))

    assert "the image lab/tols:1 cannot be had" in finding.cause
    assert finding.recommendation == f"Correct the image of container {waits.name} in {WORKER}."


def test_speaks_of_a_volume_that_is_missing():
    about = Ref("Pod", "batch", case_of(CASE).target.pod)
    event = EventFact(about, "Warning", "FailedMount", 'secret "store-key" not found', 7, None, None)

    assert 'secret "store-key" not found' in only(RULE, altered(case_of(CASE), PodFacts, events=(event,))).cause


def test_stays_silent_about_a_pod_that_waits_for_its_network():
    assert judged(RULE, case_of(CASE)) == []


def test_stays_silent_about_a_pod_that_runs():
    assert judged(RULE, case_of("search-to-index")) == []


def test_cannot_tell_without_the_pod():
    assert doubts(RULE, without(case_of(CASE), PodFacts)) == "PodFacts"
