"""Packets that are lost on the way: a recorded cross-node pair with other counters and times (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.path_loss import RULE
from sensors.hubble.outcomes import ConnectionOutcome, Drop
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import LogError, LogTrouble, PodFacts
from sensors.net_connect import Connects
from sensors.net_conntrack_usage import Conntrack
from sensors.net_mtu import Link, Mtu
from sensors.net_tcp_stats import TcpStats
from tests.flows.rules.edits import classes, said, with_connections, with_doors
from tests.flows.rules.facts import altered, healthy
from tests.kit.cases import case_of, without

CHAOS = {
    "apiVersion": "chaos-mesh.org/v1alpha1",
    "kind": "NetworkChaos",
    "metadata": {"name": "lossy-index", "namespace": "search"},
    "spec": {
        "action": "loss",
        "mode": "all",
        "selector": {"namespaces": ["search"], "labelSelectors": {"app": "index"}},
        "loss": {"loss": "25", "correlation": "0"},
    },
    "status": {"conditions": [{"type": "Selected", "status": "True"}, {"type": "AllInjected", "status": "True"}]},
}


def late(case: Case, ms: float = 3021.0) -> Case:
    return altered(case, Connects, doors=tuple(replace(each, ms=ms) for each in case[Connects].doors))


def repeating(case: Case, repeated: int = 31, sent: int = 900, **fields: Any) -> Case:
    stats = case[TcpStats]
    counters = replace(stats.target.counters, retransmitted=repeated, segments_out=sent)
    peers = tuple(replace(each, counters=replace(each.counters, **fields)) for each in stats.peers)
    return altered(case, TcpStats, target=replace(stats.target, counters=counters), peers=peers)


def lossy() -> Case:
    return repeating(late(healthy()))


def with_chaos(case: Case, **spec: Any) -> Case:
    experiment = {**CHAOS, "spec": {**CHAOS["spec"], **spec}}
    return altered(case, Policies, objects=(*case[Policies].objects, experiment))


# -- what was measured -------------------------------------------------------------------------------------------------


def test_speaks_of_late_openings_where_the_kernel_repeats_segments() -> None:
    (finding,) = said(RULE, lossy())

    assert (finding.cause_class, finding.component) == ("path.loss", Component("Node", "", "lab1"))
    assert "opened after 3,021 ms" in finding.because
    assert "31 of 900 segments again" in finding.because
    assert finding.belief == pytest.approx(0.8)


def test_speaks_more_surely_of_the_node_whose_link_counts_errors() -> None:
    links = (Link("lab1", "eth0", 1500), Link("lab2", "eth0", 1500, rx_errors=4120))
    (finding,) = said(RULE, altered(lossy(), Mtu, node_links=links))

    assert (finding.component, finding.belief >= 0.9) == (Component("Node", "", "lab2"), True)


def test_stays_silent_about_one_sign_alone() -> None:
    assert classes(RULE, late(healthy())) == []
    assert classes(RULE, repeating(healthy())) == []
    assert classes(RULE, repeating(late(healthy()), repeated=3)) == []
    assert classes(RULE, repeating(late(healthy()), repeated=2, sent=20)) == []


def test_stays_silent_where_it_may_be_the_name_that_took_long() -> None:
    case = lossy()
    named = tuple(replace(each, ms=2.0) if each.host[0].isdigit() else each for each in case[Connects].doors)

    assert classes(RULE, altered(case, Connects, doors=named)) == []


def test_stays_silent_about_a_peer_that_is_slow_to_answer() -> None:
    assert classes(RULE, case_of("usher-to-stage")) == []
    assert classes(RULE, case_of("gallery-to-media")) == []


def test_stays_silent_about_a_full_accept_queue() -> None:
    assert classes(RULE, repeating(late(healthy()), listen_overflows=812)) == []


def test_stays_silent_about_packets_that_are_only_too_large() -> None:
    short = case_of("gallery-to-media")[Mtu].paths

    assert classes(RULE, altered(lossy(), Mtu, paths=short)) == []


def test_stays_silent_where_a_connection_table_is_full() -> None:
    tables = case_of("edge-to-sessions")[Conntrack]

    assert classes(RULE, altered(lossy(), Conntrack, nodes=tables.nodes)) == []


def test_stays_silent_where_the_datapath_drops_or_the_path_is_shut() -> None:
    drop = Drop(133, "POLICY_DENIED", "EGRESS", 4, 2, 1, 2)
    dropped = with_connections(
        lossy(), lambda each: replace(each, drops=(drop,), packets_dropped=4, outcome=ConnectionOutcome.MIXED)
    )

    assert classes(RULE, dropped) == []
    assert classes(RULE, with_doors(lossy(), "timeout")) == []


# -- an experiment -----------------------------------------------------------------------------------------------------


def test_speaks_of_the_experiment_that_selects_an_end_of_the_path() -> None:
    (finding,) = said(RULE, with_chaos(late(healthy())))

    assert finding.component == Component("NetworkChaos", "search", "lossy-index")
    assert finding.belief >= 0.9
    assert "(loss)" in finding.cause


def test_speaks_of_the_experiment_where_the_caller_s_log_tells_of_timeouts() -> None:
    case = healthy()
    line = LogError("search", LogTrouble.TIMEOUT, "curl: (28) timed out", 4, 28, "index", 80, case.at)

    assert classes(RULE, with_chaos(altered(case, PodFacts, log_errors=(line,)))) == ["path.loss"]


@pytest.mark.parametrize(
    "selector",
    [
        {"namespaces": ["elsewhere"]},
        {"namespaces": ["search"], "labelSelectors": {"app": "other"}},
        {"namespaces": ["search"], "nodes": ["lab2"]},
    ],
)
def test_stays_silent_about_an_experiment_that_selects_others(selector: dict[str, Any]) -> None:
    assert classes(RULE, with_chaos(late(healthy()), selector=selector)) == []


def test_stays_silent_about_an_experiment_where_everything_is_well() -> None:
    assert classes(RULE, with_chaos(healthy())) == []


def test_cannot_tell_without_the_counters() -> None:
    with pytest.raises(Missing, match="TcpStats"):
        said(RULE, without(lossy(), TcpStats))
