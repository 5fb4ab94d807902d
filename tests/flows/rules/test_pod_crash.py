"""A pod that does not stay up: a recorded pod that runs, with the kubelet's words for one that crashes (synthetic)."""

from __future__ import annotations

from typing import Any

import pytest

from flows.model import Case, Component
from flows.rules.pod_crash import RULE
from sensors.dns_lookup import Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import LogTrouble, PodFacts
from sensors.kit.objects import Ref
from sensors.net_connect import Connects
from tests.flows.rules.facts import altered, complaining, container, doubts, healthy, judged, only
from tests.flows.variants.running import diagnose
from tests.kit.cases import case_of, expected, without

BACKOFF = {"state": "waiting", "waiting_reason": "CrashLoopBackOff", "restarts": 9, "ready": False}


def crashing(case: Case, **fields: Any) -> Case:
    ended = {"last_terminated_reason": "Error", "exit_code": 1, **BACKOFF, **fields}
    return altered(case, PodFacts, containers=(container(case, **ended),), ready=False)


def test_speaks_of_a_pod_that_crashes_for_reasons_of_its_own():
    finding = only(RULE, crashing(healthy()))

    assert (finding.component, finding.belief >= 0.9) == (Component("Deployment", "search", "search"), True)
    assert finding.cause.endswith("ended by Error with exit code 1, 9 restarts")


def test_speaks_of_a_pod_that_has_ended():
    assert only(RULE, altered(healthy(), PodFacts, phase="Failed", containers=())).belief >= 0.9


def test_speaks_of_a_pod_that_is_killed_for_its_memory_whatever_its_log_complains_of():
    case = crashing(complaining(healthy(), LogTrouble.TIMEOUT), last_terminated_reason="OOMKilled", exit_code=137)

    assert only(RULE, case).belief >= 0.95


def failed_job(case: Case) -> Case:
    """A Job's pod that ended once, with exit code 1: no process is left to look into."""
    ended = container(
        case,
        state="terminated",
        exit_code=1,
        last_terminated_reason="Error",
        ready=False,
        waiting_reason="",
        restarts=0,
    )
    words = ((ended.name, "psql: could not connect: Connection refused"),)
    job = Ref("Job", "search", "nightly")
    case = altered(
        case, PodFacts, phase="Failed", ready=False, containers=(ended,), ips=(), workload=job, log_last=words
    )
    return without(case, Lookups, Connects, HubbleFlows)


@pytest.mark.parametrize("trouble", [LogTrouble.OTHER, LogTrouble.REFUSED, LogTrouble.RESOLVE])
def test_speaks_of_a_job_that_has_failed_with_the_line_of_its_log(trouble):
    said = diagnose(failed_job(complaining(healthy(), trouble)))

    assert (said.cause_class, str(said.component)) == ("app.crash", "Job search/nightly")
    assert "has ended, so it cannot talk: container search ended by Error with exit code 1" in said.findings[0][0].cause
    assert 'its last words are "psql: could not connect: Connection refused"' in said.findings[0][0].because
    assert "--previous" not in said.recommended_action


def test_a_cause_that_is_shown_goes_before_the_end_of_a_job_that_could_not_connect():
    case = failed_job(complaining(case_of("portal-to-profile"), LogTrouble.REFUSED))

    assert diagnose(case).cause_class == expected("portal-to-profile")["cause_class"]


@pytest.mark.parametrize("trouble", [LogTrouble.RESOLVE, LogTrouble.REFUSED, LogTrouble.TIMEOUT])
def test_stays_silent_as_root_cause_when_the_program_gives_up_because_it_cannot_connect(trouble):
    assert only(RULE, crashing(complaining(healthy(), trouble))).belief < 0.5


def test_stays_silent_about_restarts_of_long_ago():
    case = healthy()
    once = container(case, restarts=3, last_terminated_reason="Error", exit_code=1)

    assert judged(RULE, altered(case, PodFacts, containers=(once,))) == []


def test_stays_silent_about_an_init_container_that_has_done_its_work():
    case = healthy()
    done = container(case, init=True, state="terminated", exit_code=0, last_terminated_reason="Completed")

    assert judged(RULE, altered(case, PodFacts, containers=(*case[PodFacts].containers, done))) == []


def test_stays_silent_about_a_peer_that_is_not_ready():
    assert judged(RULE, case_of("portal-to-profile")) == []


def test_cannot_tell_without_the_pod():
    assert doubts(RULE, without(healthy(), PodFacts)) == "PodFacts"
