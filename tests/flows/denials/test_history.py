"""Drops that are over are blamed on nobody; drops that a policy would repeat are, whatever opened or went away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from flows.denials.attribution import denials
from flows.denials.judged import judged_connections, past_drops
from flows.model import Case
from sensors.hubble.outcomes import Connection, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.net_connect import Connects
from tests.flows.rules.policies import without_policies
from tests.flows.variants.running import diagnose, look
from tests.kit.cases import case_of, with_facts, without

REOPENED = Path(__file__).parents[1] / "steady" / "cases" / "caller-to-reopened"
STANDING = "orders-to-ledger"


@pytest.fixture(scope="module")
def reopened() -> Case:
    """The policy that dropped the client's packets was deleted seven seconds ago; the door opens (recorded)."""
    return asyncio.run(look(REOPENED))


def shut(case: Case) -> Case:
    doors = tuple(replace(each, result="timeout") for each in case[Connects].doors)
    return with_facts(case, replace(case[Connects], doors=doors))


def to_a_pod_that_is_gone(case: Case) -> Case:
    def gone(end: Party) -> Party:
        return replace(end, pod=f"{end.pod}-before") if end.pod and end.pod != case.target.pod else end

    def moved(each: Connection) -> Connection:
        return replace(each, destination=gone(each.destination))

    flows = case[HubbleFlows]
    return with_facts(case, replace(flows, connections=tuple(map(moved, flows.connections))))


def test_an_open_door_outweighs_the_drops_of_a_policy_that_is_gone(reopened: Case) -> None:
    said = diagnose(reopened)

    assert said.cause_class == "none.healthy"
    assert "the last drop was at 21:27:04 UTC and the same connection opens now" in said.findings[0][0].because
    assert [each.cause_class for each, _ in said.findings] == ["none.healthy"]
    assert sum(each.packets_dropped for each in reopened.once(past_drops)) == 6


def test_the_same_drops_stand_while_the_door_is_shut_or_nobody_tried_it(reopened: Case) -> None:
    for case in (shut(reopened), without(reopened, Connects)):
        assert case.once(past_drops) == ()
        assert any(each.drop for each in case.once(judged_connections))
        assert diagnose(case).cause_class != "none.healthy"


def test_drops_between_pods_that_are_gone_are_blamed_on_nobody() -> None:
    case = without_policies(case_of(STANDING))

    assert case.once(denials)
    assert to_a_pod_that_is_gone(case).once(denials) == ()


def test_a_policy_that_still_refuses_is_blamed_also_where_that_pod_is_gone() -> None:
    assert to_a_pod_that_is_gone(case_of(STANDING)).once(denials)
