"""A pod on the host network is its node to policies; its twin is an ordinary pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.fixes.build import build
from flows.model import Case, Component
from flows.rules.policy_hostnet_peer import RULE
from sensors.hubble.outcomes import Party
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import towards, with_objects, with_traffic
from tests.kit.cases import case_of, without

NODE = "172.30.0.12"


def on_the_host_network() -> Case:
    """objects runs on the host network of lab2, and the policy selects it by its labels."""
    case = case_of("importer-to-store")

    def moved(thing: dict[str, Any]) -> None:
        if thing["kind"] == "Pod" and thing["metadata"].get("labels", {}).get("app") == "objects":
            thing["spec"] |= {"hostNetwork": True, "nodeName": "lab2"}
            thing["status"] |= {"podIP": NODE, "podIPs": [{"ip": NODE}]}
        if thing["metadata"]["name"] == "importer-egress":
            thing["spec"]["egress"][1]["to"] = [{"podSelector": {"matchLabels": {"app": "objects"}}}]

    there = Party(NODE, entities=("remote-node",))
    seen = with_traffic(with_objects(case, moved), towards(there))
    return replace(seen, target=replace(seen.target, to_host=None, to_port=None), derived={})


def test_speaks_of_the_selector_and_of_what_it_costs() -> None:
    finding = only(RULE, on_the_host_network())

    assert finding.component == Component("NetworkPolicy", "ingest", "importer-egress")
    assert "selects a pod on the host network" in finding.cause
    assert "every process of those nodes" in finding.recommendation


@pytest.mark.parametrize(
    "name", ["importer-to-store", "api-server-cannot-watch", "orders-to-ledger", "search-to-index"]
)
def test_stays_silent_about_ordinary_pods_and_plain_nodes(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(on_the_host_network(), Policies)) == "Policies"


def test_the_node_is_admitted_only_by_a_person() -> None:
    """A rule for the node holds for every process on it."""
    case = on_the_host_network()

    (fix, *others) = build(only(RULE, case), case)

    assert fix.patch[0]["spec"]["egress"][0]["toEntities"] == ["remote-node"]
    assert not any(each.automatic for each in (fix, *others))
    assert "it holds for every process of those nodes, not for one pod" in fix.notes
