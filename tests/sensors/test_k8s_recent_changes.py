"""Recorded with kubectl 1.36 on Kubernetes 1.36.2: what was really changed is in each case's own history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sensors.k8s_recent_changes import SENSOR, ChangeKind, RecentChange, RecentChanges
from sensors.kit.kinds import KINDS
from sensors.kit.model import Sight, Target
from sensors.kit.objects import Ref
from sensors.kit.observe import observe
from tests.kit.build import Json, config_map, event, namespace, service
from tests.kit.cases import CASES, case, look_at, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop", "api.bank", 80)
OLD = "2026-11-01T00:00:00Z"
"""Long before the fake's 21:00."""


def written(thing: Json, manager: str, at: str, fields: Json, **more: Any) -> Json:
    entry = {"manager": manager, "operation": "Update", "time": at, "fieldsV1": fields, **more}
    before = thing["metadata"].get("managedFields", [])
    return {**thing, "metadata": {"creationTimestamp": OLD, **thing["metadata"], "managedFields": [*before, entry]}}


async def seen(*objects: Json, **settings: Any) -> RecentChanges:
    evidence = await observe(SENSOR, WEB, FakeCluster(objects, kinds=KINDS), settings)
    assert isinstance(evidence.facts, RecentChanges), evidence.why
    return evidence.facts


async def test_the_patch_that_broke_the_service_is_the_newest_change() -> None:
    facts = await look_at(SENSOR, "web-to-catalog")

    assert facts.changes[0] == RecentChange(
        Ref("Service", "store", "catalog"),
        ChangeKind.CHANGED,
        datetime(2026, 11, 23, 21, 12, 39, tzinfo=UTC),
        11.0,
        "kubectl-patch",
        ("spec.selector",),
    )
    assert facts.summary().startswith(
        "10 changes in 3600 s; newest: Service store/catalog changed 11 s ago with kubectl patch (spec.selector); "
    )


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("orders-to-ledger", "NetworkPolicy finance/baseline"),
        ("agent-to-collector", "CiliumClusterwideNetworkPolicy restricted-networks"),
        ("frontend-to-backend", "Deployment kube-system/coredns"),
        ("worker-to-queue", "NetworkPolicy jobs/worker-egress"),
    ],
)
async def test_the_real_cause_is_the_newest_change_also_in_the_peers_namespace(name: str, about: str) -> None:
    facts = await look_at(SENSOR, name)

    assert str(facts.changes[0].about) == about


async def test_a_controllers_echo_in_the_status_is_not_a_change() -> None:
    echo = written(service("shop", "api"), "kube-controller-manager", "2026-11-23T20:59:00Z", {}, subresource="status")

    facts = await seen(echo)

    assert facts.changes == ()
    assert facts.summary() == "nothing was changed in the 3600 s before"


async def test_only_the_window_counts_and_the_window_is_a_setting() -> None:
    patched = written(service("shop", "api"), "helm", "2026-11-23T20:50:00Z", {"f:spec": {"f:ports": {}}})

    wide, narrow = await seen(patched), await seen(patched, window=60)

    assert [str(each) for each in wide.changes] == ["Service shop/api changed 600 s ago by Helm (spec.ports)"]
    assert narrow.changes == ()


async def test_other_peoples_namespaces_are_left_out_and_the_peers_is_not() -> None:
    fields = {"f:spec": {"f:selector": {}}}
    spaces = [namespace("shop"), namespace("bank"), namespace("zoo")]
    services = [service("bank", "api"), service("zoo", "cage"), service("shop", "web")]

    facts = await seen(*spaces, *(written(each, "kubectl", "2026-11-23T20:59:00Z", fields) for each in services))

    assert [str(each.about) for each in facts.changes] == ["Service bank/api", "Service shop/web"]


async def test_settings_of_dns_and_cni_count_and_other_config_maps_do_not() -> None:
    fields = {"f:data": {".": {}, "f:Corefile": {}}}
    maps = [config_map("kube-system", "coredns"), config_map("shop", "app")]

    facts = await seen(*(written(each, "kubectl", "2026-11-23T20:59:00Z", fields) for each in maps))

    assert [(str(each.about), each.fields) for each in facts.changes] == [
        ("ConfigMap kube-system/coredns", ("data.Corefile",))
    ]


async def test_an_object_that_is_going_away_is_told() -> None:
    leaving = service("shop", "api")
    leaving["metadata"] |= {"creationTimestamp": OLD, "deletionTimestamp": "2026-11-23T20:59:30Z"}

    facts = await seen(leaving)

    assert [(each.kind, each.ago_s) for each in facts.changes] == [(ChangeKind.DELETING, 30.0)]


async def test_recent_events_come_warnings_first() -> None:
    facts = await seen(
        event("Pod", "shop", "web-1", "Started", "started", type_="Normal"),
        event("Pod", "shop", "web-1", "Unhealthy", "probe failed"),
        event("Pod", "zoo", "ape", "Unhealthy", "bananas"),
        event("Pod", "shop", "web-1", "Old", "long ago", lastTimestamp=OLD),
    )

    assert [each.reason for each in facts.events] == ["Unhealthy", "Started"]


async def test_what_could_not_be_read_is_named() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster([service("shop", "api")], blind={"deployments": "forbidden"}))

    assert "deployments: forbidden" in evidence.facts.unread


async def test_without_policies_workloads_and_services_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster([namespace("shop")]))

    assert evidence.sight is Sight.BLIND
    assert evidence.why.startswith("networkpolicies: networkpolicies were not given; services: ")


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("frontend-to-backend")
    objects = spoiled(real_objects(CASES / "frontend-to-backend"), seed)

    evidence = await observe(SENSOR, target_of(recorded), FakeCluster(objects, kinds=KINDS))

    assert evidence.sight is Sight.SEEN, evidence.why
    assert evidence.summary
