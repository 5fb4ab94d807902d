from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from sensors.kit import objects as o
from sensors.kit.objects import Owner, Ref
from tests.kit.build import pod
from tests.kit.spoil import JUNK

THING = {"spec": {"list": [{"a": 1}, "x", None], "n": 5, "on": True, "word": "w"}}


def test_a_path_is_walked_through_keys_and_positions() -> None:
    assert o.get(THING, "spec", "list", 0, "a") == 1
    assert o.get(THING, "spec", "list", -3, "a") == 1


@pytest.mark.parametrize(
    "path", [("no",), ("spec", "no", "more"), ("spec", "list", 9), ("spec", "n", "x"), ("spec", 0)]
)
def test_what_is_missing_on_the_way_reads_as_nothing(path: tuple[str | int, ...]) -> None:
    assert o.get(THING, *path) is None


@pytest.mark.parametrize("junk", JUNK)
def test_no_accessor_crashes_on_junk(junk: Any) -> None:
    for thing in (junk, {"metadata": junk}, {"metadata": {"labels": junk, "ownerReferences": junk}, "status": junk}):
        assert isinstance(o.name_of(thing), str)
        assert isinstance(o.labels_of(thing), dict)
        assert isinstance(o.conditions_of(thing), tuple)
        assert isinstance(o.ref_of(thing), Ref)
        assert o.created_at(thing) is None
        assert o.workload_of(thing) is None
        assert o.pod_is_ready(thing) is None
        assert o.managed_by(thing) is None
    assert o.label_selector_matches(junk, {}) in (True, None)


@pytest.mark.parametrize(
    ("value", "read"), [(5, 5), ("8080", 8080), (True, None), ("http", None), (7.5, None), ("٣", None)]
)
def test_a_number_is_a_whole_number_or_its_digits(value: Any, read: int | None) -> None:
    assert o.number({"n": value}, "n") == read


def test_labels_that_yaml_made_booleans_or_numbers_are_text_again() -> None:
    assert o.labels_of({"metadata": {"labels": {"a": True, "b": 3, "c": "x", "d": None, "e": []}}}) == {
        "a": "true",
        "b": "3",
        "c": "x",
    }


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-11-23T21:00:00Z", datetime(2026, 11, 23, 21, tzinfo=UTC)),
        ("2026-11-23T22:00:00.123456789+01:00", datetime(2026, 11, 23, 21, 0, 0, 123456, tzinfo=UTC)),
        (datetime(2026, 11, 23, 21), datetime(2026, 11, 23, 21, tzinfo=UTC)),
        (date(2026, 11, 23), None),
        ("yesterday", None),
        ("2026-99-99T00:00:00Z", None),
        (None, None),
    ],
)
def test_times_are_read_in_utc(value: Any, read: datetime | None) -> None:
    assert o.parse_time(value) == read


def test_an_empty_service_selector_selects_nothing_and_an_empty_label_selector_everything() -> None:
    assert o.selects({}, {"app": "web"}) is False
    assert o.label_selector_matches({}, {"app": "web"}) is True


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "api"]}, True),
        ({"key": "app", "operator": "In", "values": []}, False),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "absent", "operator": "NotIn", "values": ["web"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
        ({"key": "app", "operator": "Gt", "values": ["1"]}, None),
        ({}, None),
    ],
)
def test_expressions_mean_what_the_api_says(expression: dict[str, Any], matches: bool | None) -> None:
    assert o.label_selector_matches({"matchExpressions": [expression]}, {"app": "web"}) is matches


def test_what_is_certain_wins_over_what_is_not_understood() -> None:
    selector = {"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "app", "operator": "Gt"}]}

    assert o.label_selector_matches(selector, {"app": "web"}) is False


def replica_set(name: str, owner: str) -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {"namespace": "shop", "name": name, "ownerReferences": [{"kind": "Deployment", "name": owner}]},
    }


@pytest.mark.parametrize(
    ("owner", "labels", "sets", "workload"),
    [
        (("ReplicaSet", "web-7d"), {}, [replica_set("web-7d", "web")], Ref("Deployment", "shop", "web")),
        (("ReplicaSet", "web-7d"), {"pod-template-hash": "7d"}, [], Ref("Deployment", "shop", "web")),
        (("ReplicaSet", "web-7d"), {}, [], Ref("ReplicaSet", "shop", "web-7d")),
        (("StatefulSet", "db"), {}, [], Ref("StatefulSet", "shop", "db")),
        (None, {}, [], None),
    ],
)
def test_a_pods_workload_is_what_a_person_would_edit(
    owner: tuple[str, str] | None, labels: dict[str, str], sets: list[Any], workload: Ref | None
) -> None:
    assert o.workload_of(pod("shop", "web-7d-x", owner=owner, labels=labels), sets) == workload


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}},
            Owner("Argo CD", "shop"),
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, Owner("Flux", "apps")),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}, Owner("Flux", "web")),
        ({"annotations": {"meta.helm.sh/release-name": "web"}}, Owner("Helm", "web")),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, Owner("Helm", "")),
        ({"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, Owner("add-on manager")),
        ({"labels": {"app": "web"}}, None),
    ],
)
def test_whoever_keeps_an_object_in_sync_is_recognised(metadata: dict[str, Any], owner: Owner | None) -> None:
    assert o.managed_by({"metadata": metadata}) == owner


def test_untrusted_text_becomes_one_short_line() -> None:
    assert o.one_line("a\n\tb\x1b[31m\x00c") == "a b [31m c"
    assert len(o.one_line("x" * 10_000)) == 300
