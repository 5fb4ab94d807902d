"""Workloads without pods, from objects as the API server prints them (synthetic)."""

from __future__ import annotations

from typing import Any

import pytest

from sensors.kit.events import fold_events
from sensors.kit.kinds import DEPLOYMENT, EVENT, REPLICA_SET, STATEFUL_SET
from sensors.kit.objects import Ref
from sensors.kit.reading import Kinds
from sensors.topology.workloads import IdleWorkload, idle_workloads

Json = dict[str, Any]
INK = Ref("Deployment", "print", "ink")


def workload(kind: str = "Deployment", labels: dict[str, str] | None = None, **spec: Any) -> Json:
    template = {"metadata": {"labels": labels or {"app": "ink"}}}
    return {"kind": kind, "metadata": {"name": "ink", "namespace": "print"}, "spec": {"template": template, **spec}}


def idle(
    deployments: list[Json], sets: tuple[Json, ...] = (), events: tuple[Json, ...] = ()
) -> tuple[IdleWorkload, ...]:
    found = {DEPLOYMENT: tuple(deployments), REPLICA_SET: sets, EVENT: events}
    said: dict[Ref, tuple[Any, ...]] = {each.about: (each,) for each in fold_events(events)}
    return idle_workloads({"app": "ink"}, "print", Kinds(found, {}), said)


@pytest.mark.parametrize(("replicas", "words"), [(0, "has 0 replicas"), (2, "has no pod yet")])
def test_replicas_say_whether_it_is_meant(replicas: int, words: str) -> None:
    (found,) = idle([workload(replicas=replicas)])

    assert str(found) == f"Deployment print/ink {words}"


def test_replicas_that_nobody_wrote_are_one() -> None:
    (found,) = idle([workload()])

    assert found.wanted == 1


def test_the_condition_of_the_deployment_says_why() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    (found,) = idle([{**workload(), "status": {"conditions": [failure]}}])

    assert str(found) == "Deployment print/ink cannot make its pods (exceeded quota: small)"


def test_the_event_of_its_replicaset_says_why() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ink", "controller": True}
    owned = {"metadata": {"name": "ink-6b8", "namespace": "print", "ownerReferences": [owner]}}
    event = {
        "metadata": {"namespace": "print"},
        "involvedObject": {"kind": "ReplicaSet", "namespace": "print", "name": "ink-6b8"},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": 'Error creating: failed calling webhook "v.example.com": context deadline exceeded',
    }
    (found,) = idle([workload()], (owned,), (event,))

    assert "failed calling webhook" in found.refusal


def test_another_namespace_and_another_label_are_none_of_it() -> None:
    elsewhere = {**workload(), "metadata": {"name": "ink", "namespace": "other"}}

    assert idle([elsewhere, workload(labels={"app": "pen"})]) == ()


def test_a_statefulset_counts_and_a_service_without_selector_has_none() -> None:
    kinds = Kinds({STATEFUL_SET: (workload("StatefulSet", replicas=0),)}, {})

    assert [str(each) for each in idle_workloads({"app": "ink"}, "print", kinds, {})] == [
        "StatefulSet print/ink has 0 replicas"
    ]
    assert idle_workloads({}, "print", kinds, {}) == ()
