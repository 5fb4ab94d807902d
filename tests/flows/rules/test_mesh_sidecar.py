"""A proxy beside the pod that does not run: the recorded healthy pair with other containers (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_not_listening import RULE as NOT_LISTENING
from flows.rules.mesh_sidecar import RULE
from flows.rules.pod_crash import RULE as CRASH
from flows.verdict import rank
from sensors.k8s_pod import LogError, LogTrouble, PodFacts
from sensors.net_connect import Connects
from tests.flows.rules.edits import classes, said
from tests.flows.rules.facts import altered, container, healthy
from tests.kit.cases import without


def with_proxy(case: Case, *others: Any, **fields: Any) -> Case:
    """search has a proxy beside it, which does not run unless said otherwise."""
    usual = {"name": "istio-proxy", "ready": False, "state": "waiting", "waiting_reason": "PodInitializing"}
    proxy = container(case, **{**usual, **fields})
    return altered(case, PodFacts, containers=(*case[PodFacts].containers, proxy, *others))


def all_doors(case: Case, result: str) -> Case:
    return altered(case, Connects, doors=tuple(replace(each, result=result) for each in case[Connects].doors))


def logging(case: Case, where: str, trouble: LogTrouble = LogTrouble.REFUSED) -> Case:
    line = LogError(where, trouble, "dial tcp 10.96.51.29:80: connect: connection refused", 6, None, "index", 80)
    return altered(case, PodFacts, log_errors=(line,))


def starting(case: Case, trouble: LogTrouble = LogTrouble.REFUSED, **fields: Any) -> Case:
    """An init container that migrates a schema fails before the proxy runs."""
    usual = {"name": "migrate", "init": True, "ready": False, "state": "waiting", "restarts": 4, "exit_code": 1}
    early = container(case, **{**usual, "waiting_reason": "CrashLoopBackOff", **fields})
    return altered(logging(with_proxy(case, early), "migrate", trouble), PodFacts, phase="Pending")


def test_speaks_of_a_proxy_that_does_not_run_where_everything_is_refused() -> None:
    case = all_doors(with_proxy(healthy(), state="terminated", last_terminated_reason="Error"), "refused")
    (finding,) = said(RULE, case)

    assert (finding.cause_class, finding.component) == ("mesh.sidecar", Component("Deployment", "search", "search"))
    assert "istio-proxy of search/search-77d6b7cd7-29rqp does not run" in finding.cause
    assert finding.belief >= 0.9
    assert rank([*said(RULE, case), *said(NOT_LISTENING, case)])[0].cause_class == "mesh.sidecar"


def test_speaks_less_surely_by_the_log_alone() -> None:
    case = without(logging(with_proxy(healthy()), "search"), Connects)
    (finding,) = said(RULE, case)

    assert 0.5 <= finding.belief < 0.8


def test_speaks_of_an_init_container_that_connects_before_the_proxy_runs() -> None:
    case = starting(healthy())
    (finding,) = said(RULE, case)

    assert "init container migrate of search/search-77d6b7cd7-29rqp connects before istio-proxy runs" in finding.cause
    assert rank([*said(RULE, case), *said(CRASH, case)])[0].cause_class == "mesh.sidecar"


def test_stays_silent_about_an_init_container_that_fails_for_reasons_of_its_own() -> None:
    case = starting(healthy(), LogTrouble.OTHER)

    assert classes(RULE, case) == []
    assert classes(CRASH, case) == ["app.crash"]


def test_stays_silent_about_a_native_sidecar_and_about_what_sets_up_the_redirect() -> None:
    native = with_proxy(healthy(), container(healthy(), name="migrate", init=True, exit_code=1), init=True, ready=True)
    setting_up = starting(healthy(), name="istio-init")

    assert classes(RULE, logging(native, "migrate")) == []
    assert classes(RULE, setting_up) == []


def test_stays_silent_where_the_proxy_is_ready_or_there_is_none() -> None:
    ready = all_doors(with_proxy(healthy(), ready=True, state="running"), "refused")

    assert classes(RULE, ready) == []
    assert classes(RULE, all_doors(healthy(), "refused")) == []


def test_stays_silent_where_another_door_opens_or_nothing_is_refused() -> None:
    case = with_proxy(healthy())

    assert classes(RULE, logging(case, "search")) == []
    assert classes(RULE, all_doors(case, "timeout")) == []


def test_stays_silent_about_a_pod_that_has_ended() -> None:
    case = all_doors(with_proxy(healthy(), state="terminated"), "refused")

    assert classes(RULE, altered(case, PodFacts, phase="Succeeded")) == []


def test_cannot_tell_without_the_pod() -> None:
    with pytest.raises(Missing, match="PodFacts"):
        said(RULE, without(with_proxy(healthy()), PodFacts))
