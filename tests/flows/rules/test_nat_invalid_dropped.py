"""Segments that the node's tracker takes for invalid: a recorded pair with a kernel log made for it (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.app_error import RULE as APP_ERROR
from flows.rules.nat_invalid_dropped import RULE
from flows.verdict import rank
from sensors.k8s_pod import LogError, LogTrouble, PodFacts
from sensors.k8s_services import Services
from sensors.kit.kernel_log import InvalidSegments
from sensors.net_conntrack_usage import Conntrack
from tests.flows.rules.edits import classes, said
from tests.flows.rules.facts import altered, healthy
from tests.kit.cases import without

CALLER, BACKEND = "10.244.0.246", "10.244.1.245"
WHY = "SEQ is over the upper bound (over the window of the receiver)"
SEGMENTS = InvalidSegments(BACKEND, 8080, CALLER, 48920, 12, WHY)


def reset(trouble: LogTrouble = LogTrouble.RESET) -> Case:
    """search's log tells that its connections to index end in the middle; kube-proxy translates."""
    case = healthy()
    line = LogError("search", trouble, "read: connection reset by peer", 9, None, "index", 80, case.at)
    plain = replace(case.environment, cni="flannel", kube_proxy_replacement=False)
    return replace(altered(case, PodFacts, log_errors=(line,)), environment=plain)


def logged(case: Case, table: str = "netfilter", **fields: Any) -> Case:
    nodes = list(case[Conntrack].nodes)
    nodes[0] = replace(nodes[0], invalid=(replace(SEGMENTS, **fields),))
    return altered(case, Conntrack, nodes=tuple(nodes), datapath_table=table)


def test_speaks_of_segments_between_the_caller_and_a_backend() -> None:
    case = logged(reset())
    (finding,) = said(RULE, case)

    assert (finding.cause_class, finding.component) == ("nat.invalid_dropped", Component("Node", "", "lab1"))
    assert f'12 of them ({BACKEND} to {CALLER}: "{WHY}")' in finding.because
    assert finding.belief >= 0.8


def test_stands_before_the_application_s_own_error_in_the_verdict() -> None:
    case = logged(reset())

    assert rank([*said(RULE, case), *said(APP_ERROR, case)])[0].cause_class == "nat.invalid_dropped"


def test_stays_silent_where_the_application_resets_by_itself() -> None:
    assert classes(RULE, altered(reset(), Conntrack, datapath_table="netfilter")) == []


def test_stays_silent_about_a_mere_counter_since_boot() -> None:
    case = altered(reset(), Conntrack, datapath_table="netfilter")
    nodes = tuple(replace(each, counters={**each.counters, "invalid": 48213}) for each in case[Conntrack].nodes)

    assert classes(RULE, altered(case, Conntrack, nodes=nodes)) == []


def test_stays_silent_about_the_segments_of_others() -> None:
    assert classes(RULE, logged(reset(), source="10.244.1.99")) == []
    assert classes(RULE, logged(reset(), destination="10.244.0.99")) == []


def test_stays_silent_where_the_caller_tells_of_no_reset() -> None:
    assert classes(RULE, logged(reset(LogTrouble.TIMEOUT))) == []


def test_stays_silent_where_cilium_translates() -> None:
    case = logged(reset(), table="cilium")

    assert classes(RULE, replace(case, environment=healthy().environment)) == []


def test_stays_silent_as_root_cause_about_lines_of_long_ago() -> None:
    (finding,) = said(RULE, logged(reset(), newest=healthy().at - timedelta(days=1)))

    assert finding.belief < 0.5


@pytest.mark.parametrize("facts", [Conntrack, PodFacts, Services])
def test_cannot_tell_without_its_facts(facts: type) -> None:
    with pytest.raises(Missing, match=facts.__name__):
        said(RULE, without(logged(reset()), facts))
