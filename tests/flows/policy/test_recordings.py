"""The datapath's own verdicts are the oracle: real hubble flows of Cilium 1.20 against the simulator.

Recorded on Kubernetes 1.36.2 with Cilium 1.20.0-dev (kube-proxy replacement, vxlan).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.policy import CILIUM, Decision, PolicyVerdict, PolicyWorld
from tests.flows.policy.recordings import (
    ALLOWED,
    CASES,
    RECORDED,
    Flow,
    case_world,
    policy_verdicts,
    recorded_policies,
    refs_of,
    traffic_of,
)

RECORDINGS = sorted(path.stem for path in RECORDED.glob("*.jsonl"))
INCIDENTS = sorted(path.parent.name for path in CASES.glob("*/flows.jsonl"))


def verdict_on(world: PolicyWorld, flow: Flow) -> PolicyVerdict:
    judgement = world.judge(traffic_of(flow))
    return judgement.egress if flow["traffic_direction"] == "EGRESS" else judgement.ingress


def refs(verdict: PolicyVerdict) -> set[tuple[str, str, str]]:
    return {(ref.kind, ref.namespace, ref.name) for ref in verdict.admitted_by}


def disagreements(world: PolicyWorld, path: Path) -> list[str]:
    found = []
    for flow in policy_verdicts(path):
        verdict = verdict_on(world, flow)
        if verdict.allowed is not ALLOWED[flow["verdict"]]:
            said = flow["verdict"], flow["traffic_direction"], traffic_of(flow).words()
            found.append(f"{said}: {verdict.why}")
    return found


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_simulator_agrees_with_the_datapath(name: str) -> None:
    world = PolicyWorld.of(recorded_policies(name), CILIUM)

    assert disagreements(world, RECORDED / f"{name}.jsonl") == []


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_simulator_names_the_policy_the_datapath_names(name: str) -> None:
    world = PolicyWorld.of(recorded_policies(name), CILIUM)

    for flow in policy_verdicts(RECORDED / f"{name}.jsonl"):
        verdict = verdict_on(world, flow)
        assert refs_of(flow, "allowed_by") <= refs(verdict)
        assert refs_of(flow, "denied_by") == {(r.kind, r.namespace, r.name) for r in verdict.denied_by}


@pytest.mark.parametrize("name", RECORDINGS)
def test_an_explicit_deny_and_a_default_deny_are_told_apart(name: str) -> None:
    world = PolicyWorld.of(recorded_policies(name), CILIUM)

    for flow in policy_verdicts(RECORDED / f"{name}.jsonl"):
        if flow["verdict"] == "DROPPED":
            explicit = flow["drop_reason_desc"] == "POLICY_DENY"
            expected = Decision.DENIES if explicit else Decision.DOES_NOT_ADMIT
            assert verdict_on(world, flow).decision is expected


def test_there_are_recordings_to_compare_with() -> None:
    assert (len(RECORDINGS), len(INCIDENTS)) == (23, 23)


# Flows of an incident that its saved policies cannot explain, each for a reason seen in the recording.
EXPLAINED: dict[str, str] = {}


@pytest.mark.parametrize("case", INCIDENTS)
def test_recorded_incidents_agree_with_their_datapath(case: str) -> None:
    world = case_world(case)

    found = disagreements(world, CASES / case / "flows.jsonl")

    assert bool(found) == (case in EXPLAINED), "\n".join(found[:8])
