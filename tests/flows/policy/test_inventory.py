"""Endpoints from pods and nodes."""

from __future__ import annotations

from typing import Any

import pytest

from flows.policy.inventory import addresses_of_pod, endpoint_of_pod, node_endpoint, outside, without_hash, workload_of


def test_a_pod_has_its_labels_ports_and_place() -> None:
    pod: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "x", "labels": {"app": "web", "bad": 7}},
        "spec": {
            "nodeName": "node1",
            "serviceAccountName": "robot",
            "containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 9}]}],
            "initContainers": [
                {"restartPolicy": "Always", "ports": [{"name": "proxy", "containerPort": 15001, "protocol": "UDP"}]},
                {"ports": [{"name": "once", "containerPort": 1}]},
            ],
        },
        "status": {"podIP": "10.0.0.1"},
    }

    endpoint = endpoint_of_pod(pod, {"team": "a"})

    assert endpoint.named_ports == {("http", "TCP"): 8080, ("proxy", "UDP"): 15001}
    assert (endpoint.labels, endpoint.namespace_labels) == ({"app": "web"}, {"team": "a"})
    assert (endpoint.ip, endpoint.node, endpoint.service_account) == ("10.0.0.1", "node1", "robot")


def test_a_finished_pod_has_no_address() -> None:
    assert addresses_of_pod({"status": {"phase": "Succeeded", "podIP": "10.0.0.1"}}) == ()
    assert addresses_of_pod({"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}}) == (
        "10.0.0.1",
        "fd00::1",
    )


@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        ({"kind": "ReplicaSet", "name": "web-6f5d4d5d8c"}, "Deployment web"),
        ({"kind": "ReplicaSet", "name": "bare"}, "ReplicaSet bare"),
        ({"kind": "StatefulSet", "name": "db"}, "StatefulSet db"),
        ({"kind": "Node", "name": "node1"}, "Pod p"),
        ({}, "Pod p"),
    ],
)
def test_the_workload_is_what_a_person_deploys(owner: dict[str, str], workload: str) -> None:
    assert workload_of({"name": "p", "ownerReferences": [owner] if owner else []}) == workload


def test_the_template_hash_label_is_the_surest_hash() -> None:
    assert without_hash("web-front", {"pod-template-hash": "abc"}) == "web-front"
    assert without_hash("web-abc", {"pod-template-hash": "abc"}) == "web"


def test_addresses_outside_and_of_nodes_say_if_they_are_the_api_server() -> None:
    servers = frozenset({"172.30.0.11", "203.0.113.9"})

    assert node_endpoint("n", "172.30.0.11", servers).entities == {"kube-apiserver"}
    assert outside("203.0.113.9", servers).entities == {"kube-apiserver", "world"}
    assert outside("203.0.113.1", servers).entities == {"world"}
