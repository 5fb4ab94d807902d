"""Large lists are kept small, and say what they said."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from sensors.access.kube.compact import EqualParts, FoldedFields, compact
from sensors.k8s_recent_changes import changes_of, owned_fields
from sensors.kit.objects import get, items, parse_time

NOW = parse_time("2026-11-29T20:00:00Z")
FIELDS = {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {}}}


def written(by: str, at: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": by, "operation": "Update", "time": at, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def pod(number: int) -> dict[str, Any]:
    managed = [
        written("kube-controller-manager", "2026-11-20T08:00:00Z", FIELDS),
        written("kubectl-label", f"2026-11-29T19:0{number}:00Z", {"f:metadata": {"f:labels": {"f:team": {}}}}),
        written("kubelet", "2026-11-29T19:59:00Z", {"f:status": {"f:phase": {}}}, subresource="status"),
    ]
    token = {"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "token"}}]}
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number}",
            "namespace": "shop",
            "creationTimestamp": "2026-11-20T08:00:00Z",
            "labels": {"app": "web"},
            "managedFields": managed,
        },
        "spec": {
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "volumes": [{"name": f"kube-api-access-{number}", "projected": token}],
            "containers": [{"name": "web", "env": [{"name": "PEER", "value": "db:5432"}]}],
        },
        "status": {"podIP": f"10.1.0.{number}"},
    }


def made_compact(*objects: dict[str, Any]) -> list[dict[str, Any]]:
    page = json.loads(json.dumps(objects))
    compact(page, EqualParts())
    return page


def without_writers(thing: dict[str, Any]) -> dict[str, Any]:
    bare = copy.deepcopy(thing)
    bare["metadata"].pop("managedFields", None)
    return bare


def test_pods_say_what_they_said():
    first, second = made_compact(pod(1), pod(2))

    assert without_writers(first) == without_writers(pod(1))
    assert without_writers(second) == without_writers(pod(2))


def test_who_changed_a_pod_is_told_as_before():
    (found,) = made_compact(pod(1))

    assert NOW is not None
    assert changes_of(found, NOW) == changes_of(pod(1), NOW)
    assert [each.fields for each in changes_of(found, NOW)] == [(), ("metadata.labels.team",)]


def test_what_is_equal_is_one_object():
    first, second = made_compact(pod(1), pod(2))

    for path in (("metadata", "labels"), ("spec", "tolerations"), ("spec", "volumes", 0, "projected")):
        assert get(first, *path) is get(second, *path)
    assert get(first, "spec", "containers", 0, "env") is get(second, "spec", "containers", 0, "env")
    assert get(first, "spec", "volumes", 0, "name") != get(second, "spec", "volumes", 0, "name")


def test_of_a_node_the_names_of_its_images_go_and_nothing_else():
    node = {"kind": "Node", "metadata": {"name": "a"}, "status": {"images": [{"names": ["x"]}], "addresses": []}}

    assert made_compact(node) == [{"kind": "Node", "metadata": {"name": "a"}, "status": {"addresses": []}}]


def test_what_is_not_as_kubernetes_writes_it_stays_as_it_is():
    odd = [
        {},
        {"metadata": None, "spec": [], "status": 1},
        {"kind": "Node", "metadata": {"managedFields": "x", "labels": []}, "status": None},
        {"metadata": {"managedFields": [{"manager": "m", "fieldsV1": "x"}]}, "spec": {"containers": ["x", {"env": 1}]}},
    ]

    assert made_compact(*odd) == odd


def test_folded_fields_are_a_mapping_and_travel():
    folded = FoldedFields(json.dumps(FIELDS).encode())

    assert dict(folded) == dict(pickle.loads(pickle.dumps(folded))) == FIELDS
    assert owned_fields(folded) == ("spec.containers", "metadata.labels.app")
    assert len(folded) == 2
    assert [each["manager"] for each in items(made_compact(pod(1))[0], "metadata", "managedFields")] == [
        "kube-controller-manager",
        "kubectl-label",
    ]
