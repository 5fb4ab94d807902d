"""The objects of a case folder: a file without an answer is no answer, never "there are none"."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensors.access.case_objects import BadObjects, read_objects
from sensors.kit.kinds import (
    CALICO_GLOBAL_NETWORK_POLICY,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NETWORK_POLICY,
    POD,
    SERVICE,
    Kind,
)

EMPTY = "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ''\n"
POLICY = "kind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec: {podSelector: {}}\n"


def folder(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (root / name.replace("__", ".")).write_bytes(data)
    return root


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty: the command that should have filled it failed"),
        ("\n \n", "is empty"),
        ("null\n---\n", "is empty"),
        (
            'error: the server doesn\'t have a resource type "networkpolicies"\n',
            "holds no objects but a message: error:",
        ),
        ("Error from server (Forbidden): networkpolicies is forbidden\n", "but a message: Error from server"),
        ("Unable to connect to the server: dial tcp: i/o timeout\n", "but a message: Unable to connect"),
        ("The connection to the server localhost:8080 was refused\n", "but a message: The connection"),
        ("bash: kubectl: command not found\n", "but a message"),
        ("just words\n", "holds no objects but text: just words"),
        ("metadata: {name: web}\n", "holds something without a kind (metadata)"),
        ("apiVersion: v1\nitems: none\nkind: List\n", "holds a List whose items are no list"),
        ("apiVersion: v1\nkind: NetworkPolicyList\n", "holds a NetworkPolicyList whose items are no list"),
        (
            "apiVersion: v1\nitems:\n- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}\n",
            "a list that breaks off",
        ),
    ],
)
def test_a_file_without_an_answer_is_no_answer(tmp_path: Path, content: str, told: str) -> None:
    found = read_objects(folder(tmp_path, networkpolicies__yaml=content))

    assert NETWORK_POLICY.plural not in found.recorded
    assert found.why_not(NETWORK_POLICY, "not there").startswith("objects/networkpolicies.yaml ")
    assert told in found.why_not(NETWORK_POLICY, "not there")


@pytest.mark.parametrize(
    "content", [EMPTY, '{"kind": "NetworkPolicyList", "apiVersion": "networking.k8s.io/v1", "items": []}']
)
def test_an_empty_list_says_that_there_are_none(tmp_path: Path, content: str) -> None:
    found = read_objects(folder(tmp_path, networkpolicies__yaml=content))

    assert NETWORK_POLICY.plural in found.recorded
    assert found.by_kind == {}


def test_an_empty_typed_list_speaks_for_its_kind_whatever_its_file_is_called(tmp_path: Path) -> None:
    found = read_objects(
        folder(
            tmp_path, policies__json='{"kind": "NetworkPolicyList", "apiVersion": "networking.k8s.io/v1", "items": []}'
        )
    )

    assert NETWORK_POLICY.plural in found.recorded
    assert POD.plural not in found.recorded


def test_what_a_file_of_another_name_lacks_is_told_with_what_is_missing(tmp_path: Path) -> None:
    found = read_objects(folder(tmp_path, all__yaml="", pods__yaml=EMPTY))

    assert found.why_not(SERVICE, "services are not there") == (
        "services are not there; objects/all.yaml is empty: the command that should have filled it failed"
    )


def test_a_broken_file_takes_nothing_from_the_others(tmp_path: Path) -> None:
    found = read_objects(
        folder(tmp_path, networkpolicies__yaml="", all__yaml=f"apiVersion: networking.k8s.io/v1\n{POLICY}")
    )

    assert NETWORK_POLICY.plural in found.recorded
    assert not found.unread


@pytest.mark.parametrize(
    ("content", "kind", "group"),
    [
        (f"apiVersion: extensions/v1beta1\n{POLICY}", NETWORK_POLICY, "networking.k8s.io/v1"),
        ("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\n", DEPLOYMENT, "apps/v1"),
        ("apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: a}\n", DEPLOYMENT, "apps/v1beta2"),
        (
            "apiVersion: crd.projectcalico.org/v1\nkind: GlobalNetworkPolicy\nmetadata: {name: default.a}\n",
            CALICO_GLOBAL_NETWORK_POLICY,
            "crd.projectcalico.org/v1",
        ),
    ],
)
def test_old_and_stored_api_groups_are_read_as_what_they_are(
    tmp_path: Path, content: str, kind: Kind, group: str
) -> None:
    found = read_objects(folder(tmp_path, all__yaml=content))

    (thing,) = found.by_kind[kind.group, kind.name]
    assert thing["apiVersion"] == group
    assert kind.plural in found.recorded


def test_an_old_endpointslice_names_the_node_in_its_topology(tmp_path: Path) -> None:
    old = {
        "apiVersion": "discovery.k8s.io/v1beta1",
        "kind": "EndpointSlice",
        "endpoints": [{"addresses": ["10.0.0.1"], "topology": {"kubernetes.io/hostname": "n1"}}],
    }
    found = read_objects(folder(tmp_path, endpointslices__json=json.dumps(old)))

    (thing,) = found.by_kind[ENDPOINT_SLICE.group, ENDPOINT_SLICE.name]
    assert thing["endpoints"][0]["nodeName"] == "n1"


def test_powershells_utf16_and_an_array_of_lists_are_read(tmp_path: Path) -> None:
    policies = f"apiVersion: networking.k8s.io/v1\n{POLICY}".encode("utf-16")
    pods = json.dumps([{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"}]}])
    found = read_objects(folder(tmp_path, networkpolicies__yaml=policies, pods__json=pods))

    assert len(found.by_kind["networking.k8s.io", "NetworkPolicy"]) == len(found.by_kind["", "Pod"]) == 1


@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", '{"a":'])
def test_deep_nesting_is_a_line_and_no_crash(tmp_path: Path, opening: str) -> None:
    with pytest.raises(BadObjects, match=r"pods\.yaml.*not YAML"):
        read_objects(folder(tmp_path, pods__yaml=opening * 30_000))


def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    bomb = "kind: List\na0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )

    with pytest.raises(BadObjects, match="aliases unfold"):
        read_objects(folder(tmp_path, pods__yaml=bomb + "items: *a8\n"))


def test_a_few_yaml_aliases_are_read(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: &m {name: a, labels: &l {app: a}}\nspec: {again: *l}\n"

    assert len(read_objects(folder(tmp_path, pods__yaml=text)).by_kind["", "Pod"]) == 1
