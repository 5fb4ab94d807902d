"""A path that carries less than it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.path_mtu import RULE
from sensors.hubble.outcomes import Drop
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import LogError, LogTrouble, PodFacts
from sensors.net_mtu import Link, Mtu, Path, Reach, Stall
from tests.flows.rules.edits import classes, said, strong, with_connections, with_doors
from tests.flows.rules.facts import altered, healthy
from tests.kit.cases import case_of, with_facts, without


def test_speaks_with_what_passes_and_what_was_promised():
    (finding,) = said(RULE, case_of("gallery-to-media"))

    assert finding.component == Component("Node", "", "lab2")
    assert finding.remedy is None
    assert finding.cause == (
        "the path to 10.244.1.179 carries at most 1,350 bytes, "
        "the pod's route promises 1,450 (lost: 1372, 1400, 1450): "
        "small answers pass, large ones stall"
    )


def test_speaks_when_the_datapath_says_fragmentation_needed():
    """Synthetic: 136 is what Cilium's enum misnames."""
    drop = Drop(136, "FRAG_NEEDED", "EGRESS", 5, 1, 100, 200)
    seen = with_connections(case_of("search-to-index"), lambda each: replace(each, drops=(drop,), packets_dropped=5))

    (finding,) = strong(RULE, seen)

    assert finding.because.startswith("5 packets dropped as too large")


@pytest.mark.parametrize("name", ["api-server-cannot-watch", "worker-to-queue", "fx-to-rates", "edge-to-sessions"])
def test_stays_silent_when_no_size_at_all_is_answered(name):
    """A policy that denies ICMP is no small link."""
    assert classes(RULE, case_of(name)) == []


def test_stays_silent_when_full_size_packets_pass():
    assert classes(RULE, case_of("search-to-index")) == []


def test_stays_silent_about_a_small_path_that_the_question_does_not_take():
    """Synthetic: the short path leads to an address the pod never meant."""
    seen = case_of("gallery-to-media")
    elsewhere = tuple(replace(each, destination="192.0.2.7") for each in seen[Mtu].paths)

    assert strong(RULE, _with_paths(seen, elsewhere)) == []


def _with_paths(seen: Case, paths: tuple) -> Case:  # type: ignore[type-arg]
    return with_facts(seen, replace(seen[Mtu], paths=paths))


def test_cannot_tell_without_sizes():
    with pytest.raises(Missing, match="Mtu"):
        said(RULE, without(case_of("gallery-to-media"), Mtu))


def test_speaks_of_a_path_mtu_as_somebody_measured_it_with_the_tool_at_hand():
    (finding,) = said(RULE, case_of("47-wireguard-pod-mtu"))

    assert "carries at most 1,340 bytes, the pod's route promises 1,460:" in finding.cause


# -- a link that encrypts, and nobody tried a size ---------------------------------------------------------------------


def encrypted(mtu: int = 1380, name: str = "cilium_wg0", *, stalls: bool = False, says: bool = False) -> Case:
    """Synthetic: the recorded healthy cross-node pair on nodes with such a link; no size was tried."""
    case = healthy()
    links = (Link("lab1", "eth0", 1500, True), Link("lab1", name, mtu, True), Link("lab2", name, mtu, True))
    stuck = (Stall("search/search", "10.244.1.245", 8080, 28_000, 5, full_size=True),) if stalls else ()
    case = with_facts(case, replace(case[Mtu], paths=(), node_links=links, stalls=stuck))
    line = LogError("search", LogTrouble.TIMEOUT, "curl: (28) Operation timed out", 7, 28, "index", 80, case.at)
    return altered(case, PodFacts, log_errors=(line,)) if says else case


@pytest.mark.parametrize("name", ["cilium_wg0", "wireguard.cali", "flannel-wg", "wg0", "ipsec0"])
def test_speaks_of_an_encrypting_link_that_takes_less_than_the_pod_promises(name: str):
    (finding,) = said(RULE, encrypted(name=name, stalls=True))

    assert finding.component == Component("Node", "", "lab1")
    assert f"{name} of lab1, on the path to Service search/index (index:80), carries" in finding.cause
    assert finding.belief >= 0.9


def test_speaks_less_surely_of_it_where_only_the_log_tells_of_timeouts():
    (finding,) = said(RULE, encrypted(says=True))

    assert 0.5 <= finding.belief < 0.8


def test_stays_silent_as_root_cause_about_such_a_link_alone():
    assert strong(RULE, encrypted()) == []


def test_stays_silent_where_the_promise_is_kept_or_was_measured():
    measured = (Path("10.244.1.245", Reach.OK, mtu=1450, promised=1450),)
    case = encrypted(stalls=True)

    assert classes(RULE, encrypted(9000, stalls=True)) == []
    assert classes(RULE, encrypted(1380, "eth1", stalls=True)) == []
    assert classes(RULE, _with_paths(case, measured)) == []


def test_stays_silent_about_a_peer_on_the_same_node_or_one_that_is_shut():
    case = encrypted(stalls=True)
    near = with_facts(case, replace(case[Nodes], target_node="lab2"))

    assert classes(RULE, near) == []
    assert classes(RULE, with_doors(case, "timeout")) == []
