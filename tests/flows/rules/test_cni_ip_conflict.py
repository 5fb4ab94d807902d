"""Two pods with one address: the recorded healthy pair and a third pod that claims an address, too (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component, Missing
from flows.rules.cni_ip_conflict import RULE
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from tests.flows.rules.edits import classes, said, with_doors
from tests.flows.rules.facts import healthy
from tests.flows.rules.policies import with_objects
from tests.kit.cases import with_facts, without

INDEX, CALLER, NODE = "10.244.1.245", "10.244.0.246", "172.30.0.12"


def claiming(address: str, case: Case | None = None, **fields: Any) -> Case:
    """A pod of another namespace has this address, too."""
    spec = {"nodeName": "lab1", "containers": [], **fields.pop("spec", {})}
    meta = {"name": "twin", "namespace": "other", "creationTimestamp": "2026-11-23T21:17:30Z", **fields.pop("meta", {})}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], **fields}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}
    return with_objects(case or broken(), lambda thing: None, pod)


def broken() -> Case:
    return with_doors(healthy(), "refused", "ECONNREFUSED")


@pytest.mark.parametrize("address", [INDEX, CALLER])
def test_speaks_of_the_younger_of_two_pods_with_the_peer_s_or_the_caller_s_address(address: str) -> None:
    (finding,) = said(RULE, claiming(address))

    assert (finding.cause_class, finding.component) == ("cni.ip_conflict", Component("Pod", "other", "twin"))
    assert f"have the same address {address}" in finding.cause
    assert finding.belief >= 0.9


def test_speaks_of_a_pod_that_has_the_address_of_a_node() -> None:
    case = with_objects(broken(), _moved)
    (finding,) = said(RULE, case)

    assert finding.cause.startswith("node lab2 and search/index-")


def _moved(thing: dict[str, Any]) -> None:
    if thing["metadata"]["name"].startswith("index-") and thing["kind"] == "Pod":
        thing["status"]["podIP"] = INDEX
    if thing["kind"] == "Node" and thing["metadata"]["name"] == "lab2":
        thing["status"]["addresses"] = [{"type": "InternalIP", "address": INDEX}]


def test_stays_silent_as_root_cause_where_everything_opens() -> None:
    assert [each.belief < 0.5 for each in said(RULE, claiming(INDEX, healthy()))] == [True]


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": {"hostNetwork": True}},
        {"phase": "Succeeded"},
        {"phase": "Pending"},
        {"meta": {"deletionTimestamp": "2026-11-23T21:17:31Z"}},
    ],
)
def test_stays_silent_about_pods_that_share_by_design_or_are_over(fields: dict[str, Any]) -> None:
    assert classes(RULE, claiming(INDEX, **fields)) == []


def test_stays_silent_about_a_pod_on_a_node_that_is_down() -> None:
    case = claiming(INDEX)
    nodes = tuple(replace(each, ready="Unknown") if each.name == "lab1" else each for each in case[Nodes].nodes)

    assert classes(RULE, with_facts(case, replace(case[Nodes], nodes=nodes))) == []


def test_stays_silent_about_addresses_that_are_not_in_question() -> None:
    twins = claiming("10.244.0.99", claiming("10.244.0.99"), meta={"name": "second"})

    assert classes(RULE, twins) == []


def test_cannot_tell_without_the_objects() -> None:
    with pytest.raises(Missing, match="Policies"):
        said(RULE, without(claiming(INDEX), Policies))
