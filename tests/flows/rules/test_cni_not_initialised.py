"""A node without a network plug-in: a recorded node that is not ready, with the kubelet's words for it (synthetic)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from flows.model import Case, Component
from flows.rules.cni_not_initialised import RULE
from sensors.cni_health import CniHealth
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.kit.objects import Ref
from tests.flows.rules.facts import altered, doubts, judged, only
from tests.flows.variants.running import diagnose, look
from tests.kit.cases import case_of, without

SAID = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin "
    "returns error: cni plugin not initialized"
)


def lab2_says(case: Case, ready: str, reason: str, message: str) -> Case:
    changed = (
        replace(each, ready=ready, reason=reason, message=message) if each.name == "lab2" else each
        for each in case[Nodes].nodes
    )
    return altered(case, Nodes, nodes=tuple(changed))


def test_speaks_of_a_node_that_lacks_its_network_plug_in_and_hides_that_it_is_not_ready():
    finding = only(RULE, lab2_says(case_of("planner-to-roster"), "False", "KubeletNotReady", SAID))

    assert (finding.component, finding.belief >= 0.9) == (Component("Node", "", "lab2"), True)
    assert "node.not_ready" in finding.hides


def test_speaks_of_the_plug_in_s_daemon_set_for_a_pod_that_waits_there():
    case = altered(case_of("batch-new-worker"), CniHealth, daemon_set=Ref("DaemonSet", "kube-system", "cilium"))

    finding = only(RULE, lab2_says(case, "False", "KubeletNotReady", SAID))

    assert (finding.component, finding.belief >= 0.9) == (Component("DaemonSet", "kube-system", "cilium"), True)


def test_stays_silent_about_a_node_whose_kubelet_is_gone():
    assert judged(RULE, case_of("planner-to-roster")) == []


def test_stays_silent_about_such_a_node_that_hosts_nobody_of_the_complaint():
    assert judged(RULE, lab2_says(case_of("search-to-index"), "False", "KubeletNotReady", SAID)) == []


def test_cannot_tell_without_the_nodes():
    assert doubts(RULE, without(case_of("planner-to-roster"), Nodes)) == "Nodes"


# -- half set up: the runtime says what is missing ---------------------------------------------------------------------


def waiting(message: str) -> Case:
    """The pod that waits for its network, with other words of the runtime (synthetic)."""
    case = case_of("46b-missing-plugin-agent-runs")
    stuck = tuple(replace(each, message=message) for each in case[CniHealth].stuck_pods)
    return altered(case, CniHealth, stuck_pods=stuck, exhausted=())


def test_speaks_of_a_plug_in_s_program_that_is_missing():
    finding = only(RULE, case_of("46b-missing-plugin-agent-runs"))

    assert "the program bridge is missing in [/opt/cni/bin]" in finding.cause
    assert finding.component == Component("Node", "", "n1")
    assert finding.belief > 0.9


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'plugin type="bridge" failed (add): failed to set bridge addr: "cni0" already has an IP address different '
            "from 10.244.1.1/24",
            "the bridge cni0 is left over from another configuration (it should have 10.244.1.1/24)",
        ),
        (
            "Multus: cannot find a network-attachment-definition (net1) in namespace (shop)",
            "cannot find a network-attachment-definition net1",
        ),
        ("no networks found in /etc/cni/net.d", "no networks found in /etc/cni/net.d"),
    ],
)
def test_speaks_of_what_the_runtime_says_is_missing(message, words):
    assert words in only(RULE, waiting(message)).cause


@pytest.mark.parametrize(
    "message",
    [
        'plugin type="cilium-cni" failed (add): unable to connect to Cilium agent',
        "failed to assign an IP address to container",
        "error getting ClusterInformation: connection is unauthorized: Unauthorized",
        "",
    ],
)
def test_stays_silent_about_agents_addresses_and_tokens(message):
    assert judged(RULE, waiting(message)) == []


# -- no node of the cluster has one ------------------------------------------------------------------------------------

NOWHERE = Path(__file__).parents[1] / "steady" / "cases" / "client-on-no-node"


@pytest.fixture(scope="module")
def on_no_node() -> Case:
    """A Deployment's pod, recorded on a cluster of which no node had a network plug-in."""
    return asyncio.run(look(NOWHERE))


def test_a_pod_that_finds_no_node_because_none_has_a_network_is_told_so_and_not_to_make_room(on_no_node: Case):
    said = diagnose(on_no_node)

    assert said.cause_class == "cni.not_initialised"
    assert "No node of the cluster has a network plug-in set up (lab1, lab2)" in said.findings[0][0].cause
    assert "network plug-in" in said.recommended_action
    assert "Make room" not in said.recommended_action


def test_stays_silent_about_a_pod_that_fits_nowhere_for_what_it_asks(on_no_node: Case):
    said = "Unschedulable: 0/2 nodes are available: 2 Insufficient memory."

    assert judged(RULE, altered(on_no_node, PodFacts, scheduling=said)) == []


def test_stays_silent_about_a_pod_without_a_node_where_one_node_has_a_network(on_no_node: Case):
    one, *rest = on_no_node[Nodes].nodes
    well = replace(one, ready="True", reason="KubeletReady", message="kubelet is posting ready status")

    assert judged(RULE, altered(on_no_node, Nodes, nodes=(well, *rest))) == []
