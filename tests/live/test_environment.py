from __future__ import annotations

from typing import Any

import pytest

from sensors.access.environment import SERVICE_CIDR, environment_of, version_in
from sensors.kit.cluster import Environment
from sensors.kit.kinds import CILIUM_NODE, CONFIG_MAP, DAEMON_SET, NODE, POD
from sensors.kit.reading import Kinds


def kinds(**found: Any) -> Kinds:
    by_name = {
        "pods": POD,
        "nodes": NODE,
        "sets": DAEMON_SET,
        "maps": CONFIG_MAP,
        "cilium_nodes": CILIUM_NODE,
        "cidrs": SERVICE_CIDR,
    }
    return Kinds({by_name[name]: tuple(each) for name, each in found.items()}, {})


def daemon_set(label: str, image: str) -> dict[str, Any]:
    key, _, value = label.partition("=")
    template = {"metadata": {"labels": {key: value}}, "spec": {"containers": [{"name": "agent", "image": image}]}}
    return {"kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {"template": template}}


def config(**data: str) -> dict[str, Any]:
    said = {key.replace("_", "-"): value for key, value in data.items()}
    return {"kind": "ConfigMap", "metadata": {"name": "cilium-config"}, "data": said}


def test_a_cluster_that_says_nothing_is_unknown() -> None:
    assert environment_of(Kinds({}, {}), None, None) == Environment()


@pytest.mark.parametrize(
    ("label", "image", "cni", "version"),
    [
        ("k8s-app=cilium", "quay.io/cilium/cilium:v1.19.6@sha256:2d3f", "cilium", "1.19.6"),
        ("k8s-app=calico-node", "docker.io/calico/node:v3.31.0", "calico", "3.31.0"),
        ("k8s-app=aws-node", "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.20.4-eksbuild.1",
         "aws-vpc-cni", "1.20.4-eksbuild.1"),
        ("app=kindnet", "registry:5000/kindnetd", "kindnet", None),
    ],
)  # fmt: skip
def test_the_plug_in_is_known_by_its_daemon_set_and_its_version_by_the_tag(
    label: str, image: str, cni: str, version: str | None
) -> None:
    seen = environment_of(kinds(sets=[daemon_set(label, image)]), None, None)

    assert (seen.cni, seen.cni_version) == (cni, version)


def test_cilium_in_front_of_another_plug_in_decides() -> None:
    sets = [daemon_set("k8s-app=aws-node", "cni:v1.20.4"), daemon_set("k8s-app=cilium", "cilium:v1.19.6")]

    seen = environment_of(kinds(sets=sets), None, None)

    assert (seen.cni, seen.cni_version) == ("cilium", "1.19.6")


@pytest.mark.parametrize(("word", "replaced"), [("true", True), ("strict", True), ("false", False), ("partial", None)])
def test_whether_kube_proxy_is_replaced_is_what_the_settings_say(word: str, replaced: bool | None) -> None:
    seen = environment_of(kinds(maps=[config(kube_proxy_replacement=word)]), None, None)

    assert (seen.cni, seen.kube_proxy_replacement) == ("cilium", replaced)


def test_a_cluster_with_ciliums_settings_is_ciliums_even_where_no_agent_can_be_seen() -> None:
    seen = environment_of(kinds(maps=[config()]), None, "hubble-relay")

    assert (seen.cni, seen.cni_version, seen.flow_source) == ("cilium", None, "hubble-relay")


def test_where_daemon_sets_can_be_read_no_pods_label_is_believed() -> None:
    pod = {"metadata": {"labels": {"k8s-app": "calico-node"}}, "spec": {"containers": [{"image": "node:v3.31.0"}]}}

    assert environment_of(kinds(pods=[pod], sets=[]), None, None).cni is None
    assert environment_of(kinds(pods=[pod]), None, None).cni == "calico"


@pytest.mark.parametrize(
    ("said", "version"), [("cilium v1.20.0-dev+gcb98", "1.20.0-dev+gcb98"), ("1.19", "1.19"), ("latest", None)]
)
def test_versions_are_found_in_what_programs_say_of_themselves(said: str, version: str | None) -> None:
    assert version_in([said]) == version


def test_service_ranges_come_from_their_objects_and_else_from_the_control_planes_flags() -> None:
    pod = {
        "metadata": {"labels": {"component": "kube-apiserver"}},
        "spec": {"containers": [{"command": ["kube-apiserver", "--service-cluster-ip-range=10.96.0.0/12,fd00::/108"]}]},
    }
    told = {"spec": {"cidrs": ["10.0.0.0/16"]}}

    from_flags = environment_of(kinds(pods=[pod]), None, None)
    from_objects = environment_of(kinds(pods=[pod], cidrs=[told]), None, None)

    assert from_flags.service_cidrs == ("10.96.0.0/12", "fd00::/108")
    assert from_objects.service_cidrs == ("10.0.0.0/16",)


def test_a_flag_that_anybody_may_write_into_his_own_pod_is_not_believed() -> None:
    pod = {
        "metadata": {"labels": {"app": "evil"}},
        "spec": {"containers": [{"args": ["--service-cluster-ip-range=0.0.0.0/0"]}]},
    }

    assert environment_of(kinds(pods=[pod]), None, None).service_cidrs == ()


def test_pod_ranges_are_ciliums_own_where_it_hands_addresses_out_and_else_the_nodes() -> None:
    nodes = [{"spec": {"podCIDRs": ["10.1.0.0/24"], "podCIDR": "10.1.0.0/24"}}]
    cilium = [{"spec": {"ipam": {"podCIDRs": ["10.2.0.0/24", "nonsense", 7]}}}]

    assert environment_of(kinds(nodes=nodes), None, None).pod_cidrs == ("10.1.0.0/24",)
    assert environment_of(kinds(nodes=nodes, cilium_nodes=cilium), None, None).pod_cidrs == ("10.2.0.0/24",)


@pytest.mark.parametrize("spoiled", [None, 7, "x", [], {}, {"spec": 7, "metadata": [], "data": "x"}])
def test_spoiled_objects_say_nothing_and_break_nothing(spoiled: Any) -> None:
    every = kinds(**{each: [spoiled] for each in ("pods", "nodes", "sets", "maps", "cidrs")})

    assert environment_of(every, None, None) == Environment()
