"""A node's network agent that does not run: one recorded incident, and that recording altered (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.model import Case, Component
from flows.rules.cni_agent_down import RULE
from sensors.cni_health import AgentState, CniHealth
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import BackendPod, Services
from sensors.kit.objects import Ref
from sensors.net_connect import Connects, Role
from tests.flows.rules.facts import altered, doubts, judged, only
from tests.kit.cases import case_of, with_facts, without

CASE = "batch-new-worker"
EVENT = (
    'Failed to create pod sandbox: plugin type="cilium-cni" failed (add): unable to connect to Cilium agent: '
    "dial unix /var/run/cilium/cilium.sock: connect: no such file or directory"
)


def agents(case: Case, **lab2: Any) -> Case:
    changed = (replace(each, **lab2) if each.node == "lab2" else each for each in case[CniHealth].agents)
    return altered(case, CniHealth, agents=tuple(changed))


def waiting(case: Case, **fields: Any) -> Case:
    return altered(case, CniHealth, stuck_pods=(replace(case[CniHealth].stuck_pods[0], **fields),))


def heard(case: Case) -> Case:
    return altered(case, HubbleFlows, silent=(), nodes_answering=("lab1", "lab2"))


def test_speaks_of_a_node_whose_agent_is_unreadable_and_whose_flows_are_missing():
    finding = only(RULE, case_of(CASE))

    assert (finding.component, finding.belief >= 0.9) == (Component("Node", "", "lab2"), True)
    assert finding.cause == (
        "The cilium agent on node lab2 does not run: pod batch/batch-extra-5b8c557b68-hz28c has waited "
        "46 s for its network"
    )
    assert "the relay says NODE_UNAVAILABLE of lab2" in finding.because


@pytest.mark.parametrize(
    "case", [agents(case_of(CASE), state=AgentState.FAILING), waiting(case_of(CASE), message=EVENT)]
)
def test_speaks_more_surely_where_the_agent_or_the_plug_in_says_so_itself(case):
    assert only(RULE, case).belief >= 0.95


def test_speaks_less_surely_by_an_unreadable_agent_alone():
    assert 0.5 <= only(RULE, heard(case_of(CASE))).belief < 0.9


def test_speaks_of_the_daemon_set_where_agents_run_as_pods():
    case = altered(case_of(CASE), CniHealth, daemon_set=Ref("DaemonSet", "kube-system", "cilium"))

    assert only(RULE, case).component == Component("DaemonSet", "kube-system", "cilium")


def test_speaks_when_it_is_the_peer_s_only_backend_that_waits_and_hides_its_service():
    case = case_of(CASE)
    services = case[Services]
    stuck = BackendPod("store-new", False, "lab2", (), "Pending", "ContainerCreating", None, (), ())
    changed = (
        replace(each, endpoints=(), matching_pods=(stuck,)) if each.name == "store" else each
        for each in services.services
    )
    case = with_facts(case, replace(services, services=tuple(changed)))

    finding = only(RULE, waiting(case, pod=Ref("Pod", "batch", "store-new")))

    assert "backend batch/store-new has waited" in finding.cause
    assert "service.no_ready_endpoints" in finding.hides
    assert finding.belief >= 0.9


def test_stays_silent_when_the_agent_is_well_and_addresses_have_run_out():
    case = altered(agents(case_of(CASE), state=AgentState.OK), CniHealth, exhausted=(("lab2", "range is full"),))

    assert judged(RULE, case) == []
    assert judged(RULE, altered(case_of(CASE), CniHealth, exhausted=(("lab2", "range is full"),))) == []


def test_stays_silent_about_a_pod_that_was_only_just_scheduled():
    assert judged(RULE, waiting(case_of(CASE), waiting_s=4.0)) == []


def test_stays_silent_about_pods_that_are_none_of_the_complaint_s_business():
    assert judged(RULE, waiting(case_of(CASE), pod=Ref("Pod", "other", "job"))) == []


def test_stays_silent_about_a_node_that_is_down_while_its_agent_answers():
    assert judged(RULE, case_of("planner-to-roster")) == []


def test_stays_silent_as_root_cause_for_a_pod_that_has_its_network():
    case = altered(agents(case_of("search-to-index")), CniHealth, target_node="lab2")
    case = agents(case, state=AgentState.FAILING, why="it says Failure")

    assert only(RULE, case).belief < 0.5


def stale(address: str, backend: str, state: AgentState = AgentState.FAILING) -> Case:
    """The healthy pair; the agent on the pod's node does not run, the Service's address and its backend do as told."""
    case = case_of("search-to-index")
    node = case[CniHealth].target_node
    agents = tuple(replace(each, state=state) if each.node == node else each for each in case[CniHealth].agents)
    doors = tuple(
        replace(each, result=address if each.role is Role.SERVICE else backend) for each in case[Connects].doors
    )
    return altered(altered(case, CniHealth, agents=agents), Connects, doors=doors)


def test_speaks_of_an_agent_that_left_a_service_address_leading_astray():
    finding = only(RULE, stale("timeout", "open"))

    assert finding.belief >= 0.8
    assert "has ready backends that answer, and its own address does not lead to them" in finding.cause


def test_speaks_only_of_a_suspicion_where_the_backend_fails_as_well():
    assert only(RULE, stale("timeout", "timeout")).belief < 0.5


def test_stays_silent_about_an_address_that_leads_astray_while_the_agent_runs():
    assert judged(RULE, stale("timeout", "open", AgentState.OK)) == []


def test_cannot_tell_without_the_network_plug_in():
    assert doubts(RULE, without(case_of(CASE), CniHealth)) == "CniHealth"
