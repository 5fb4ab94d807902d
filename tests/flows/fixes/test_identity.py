"""A rule names a workload by labels that survive its next rollout, and takes no other workload in."""

from __future__ import annotations

from typing import Any

from flows.fixes.identity import selector_of, stable_labels
from flows.policy import CILIUM, Endpoint, PolicyWorld
from tests.kit.build import pod, service


def world(*objects: dict[str, Any]) -> PolicyWorld:
    return PolicyWorld.of(objects, CILIUM)


def only(where: PolicyWorld, name: str) -> Endpoint:
    found = where.endpoint_of_pod("shop", name)
    assert found is not None
    return found


LABELS = {
    "app.kubernetes.io/name": "web",
    "app.kubernetes.io/version": "1.2.3",
    "helm.sh/chart": "web-1.2.3",
    "pod-template-hash": "6f5d4",
    "tier": "front",
}


def test_hashes_versions_and_charts_are_left_out() -> None:
    where = world(pod("shop", "web-1", labels=LABELS))

    assert stable_labels(only(where, "web-1"), where) == {"app.kubernetes.io/name": "web", "tier": "front"}


def test_a_stateful_set_is_named_as_a_whole() -> None:
    labels = {"app": "db", "statefulset.kubernetes.io/pod-name": "db-0", "apps.kubernetes.io/pod-index": "0"}
    where = world(pod("shop", "db-0", labels=labels, owner=("StatefulSet", "db")))

    assert selector_of(only(where, "db-0"), where) == {"app": "db"}


def test_the_selector_of_its_service_is_preferred() -> None:
    where = world(
        pod("shop", "web-1", labels={"app": "web", "tier": "front"}),
        service("shop", "web", selector={"tier": "front"}),
    )

    assert selector_of(only(where, "web-1"), where) == {"tier": "front"}


def test_a_selector_that_takes_another_workload_is_not_used() -> None:
    where = world(
        pod("shop", "web-1", labels={"app": "web", "role": "blue"}, owner=("StatefulSet", "blue")),
        pod("shop", "web-2", labels={"app": "web", "role": "green"}, owner=("StatefulSet", "green")),
        service("shop", "web", selector={"app": "web"}),
    )

    assert selector_of(only(where, "web-1"), where) == {"app": "web", "role": "blue"}


def test_a_pod_without_lasting_labels_cannot_be_named() -> None:
    where = world(pod("shop", "web-1", labels={"pod-template-hash": "6f5d4"}))

    assert selector_of(only(where, "web-1"), where) == {}


def test_text_that_is_no_label_never_gets_into_a_rule() -> None:
    where = world(pod("shop", "web-1", labels={"app": "web", "note": "a\nEOF\nb", "bad key": "x"}))

    assert stable_labels(only(where, "web-1"), where) == {"app": "web"}
