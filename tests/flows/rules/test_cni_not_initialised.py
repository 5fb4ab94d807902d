"""A node without a network plug-in: a recorded node that is not ready, with the kubelet's words for it (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component
from flows.rules.cni_not_initialised import RULE
from sensors.cni_health import CniHealth
from sensors.k8s_nodes import Nodes
from sensors.kit.objects import Ref
from tests.flows.rules.facts import altered, doubts, judged, only
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
