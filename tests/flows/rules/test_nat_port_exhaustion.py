"""No source port left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.nat_port_exhaustion import RULE
from sensors.hubble.outcomes import Drop
from sensors.hubble_capture_flows import HubbleFlows
from tests.flows.rules.edits import classes, said, with_connections
from tests.kit.cases import case_of, without


def failing(number: int) -> Case:
    """Synthetic: the outside connection with packets dropped for one reason."""
    drop = Drop(number, "", "EGRESS", 9, 2, 100, 2)
    return with_connections(case_of("fx-to-rates"), lambda each: replace(each, drops=(drop,), packets_dropped=9))


@pytest.mark.parametrize("number", [167, 191])
def test_speaks_when_masquerading_finds_no_port(number):
    (finding,) = said(RULE, failing(number))

    assert finding.component == Component("Node", "", "lab2")
    assert f"({number})" in finding.because


@pytest.mark.parametrize("number", [133, 155])
def test_stays_silent_on_a_full_table_and_on_policy(number):
    assert classes(RULE, failing(number)) == []


def test_cannot_tell_without_flows():
    with pytest.raises(Missing, match="HubbleFlows"):
        said(RULE, without(failing(167), HubbleFlows))
