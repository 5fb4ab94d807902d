"""A path that carries less than it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.path_mtu import RULE
from sensors.hubble.outcomes import Drop
from sensors.net_mtu import Mtu
from tests.flows.rules.edits import classes, said, strong, with_connections
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
