"""The lab's network is judged by a second opinion: what only the simulator believes does not work there."""

from __future__ import annotations

import pytest

from flows.denials.connection import JudgedConnection
from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.policy import CALICO_IPTABLES, CILIUM, Decision, PolicyWorld
from lab.cluster.opinion import NetworkOpinion
from sensors.k8s_network_policies import Policies
from tests.flows.policy.builders import admin, ask, netpol, pod
from tests.kit.cases import case_of, names

PODS = [pod("x/a", "10.0.0.1", pod="a"), pod("x/b", "10.0.0.2", pod="b")]
DENIES = netpol("x/n", {"pod": "a"}, ["Ingress"])


def test_a_simulator_that_is_wrong_is_overruled() -> None:
    blind = PolicyWorld.of(PODS, CILIUM)  # knows nothing of the policy

    judged = NetworkOpinion([*PODS, DENIES], CILIUM).on(blind.judge(ask(blind, "x/b", "x/a", "TCP 80")))

    assert (judged.egress.allowed, judged.ingress.allowed) == (True, False)
    assert judged.ingress.decision is Decision.DOES_NOT_ADMIT


def test_where_both_agree_the_policy_keeps_its_name() -> None:
    world = PolicyWorld.of([*PODS, DENIES], CILIUM)

    judged = NetworkOpinion([*PODS, DENIES], CILIUM).on(world.judge(ask(world, "x/b", "x/a", "TCP 80")))

    assert [ref.name for ref in judged.ingress.isolated_by] == ["n"]


@pytest.mark.parametrize("things", [[*PODS, DENIES, admin("a", "Admin", 1, {"namespaces": {}})]])
def test_where_it_cannot_tell_the_simulator_s_word_stands(things: list[dict[str, object]]) -> None:
    world = PolicyWorld.of(things, CILIUM)
    said = world.judge(ask(world, "x/b", "x/a", "TCP 80"))

    assert NetworkOpinion(things, CILIUM).on(said) == said
    assert NetworkOpinion(PODS, CALICO_IPTABLES).on(said) == said  # another datapath than the one it knows


RECORDED = [name for name in names() if case_of(name).get(Policies) is not None]


@pytest.mark.parametrize("name", RECORDED)
def test_it_says_of_every_recorded_connection_what_the_real_datapath_did(name: str) -> None:
    case = case_of(name)
    opinion = NetworkOpinion([dict(each) for each in case[Policies].objects], case.once(world_of).profile)

    said = [
        (str(each.seen), opinion.answer(each.traffic), each.works)
        for each in case.once(judged_connections)
        if is_clear(each)
    ]

    assert [each for each in said if each[1] is not each[2]] == []


def is_clear(one: JudgedConnection) -> bool:
    """Dropped by a policy, or opened."""
    return one.drop is not None or one.works


def test_the_recordings_hold_many_connections_of_both_kinds() -> None:
    clear = [each for name in RECORDED for each in case_of(name).once(judged_connections) if is_clear(each)]

    assert len([each for each in clear if each.works]) > 20
    assert len([each for each in clear if not each.works]) >= 10
