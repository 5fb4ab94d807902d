"""A node on which Service addresses lead nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component, Missing
from flows.rules.nat_kube_proxy_down import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit import Evidence, Sight
from sensors.kube_proxy_health import KubeProxy, ProxyPod
from sensors.net_connect import Connects, Role
from tests.flows.rules.edits import classes, said, strong, with_service
from tests.flows.rules.made import made
from tests.kit.cases import case_of, with_facts, without


def with_proxy(seen: Case, *, ready: bool, replaced: bool = False) -> Case:
    """Synthetic: the lab runs no kube-proxy; here one pod of it on the caller's node."""
    pod = ProxyPod("kube-proxy-x", "lab1", ready, 7, "" if ready else "CrashLoopBackOff", "v1.36.2")
    facts = KubeProxy(replaced, "iptables", "lab1", (pod,), (), ())
    evidence = {
        key: Evidence(each.sensor, Sight.SEEN, facts) if each.sensor == "kube_proxy.health" else each
        for key, each in seen.evidence.items()
    }
    return replace(seen, evidence=evidence, derived={})


def with_dead_address(seen: Case) -> Case:
    """Synthetic: the Service's address times out, the backend's own opens."""
    connects = seen[Connects]
    doors = tuple(
        replace(each, result="timeout" if each.role in (Role.SERVICE, Role.PEER) else "open") for each in connects.doors
    )
    return with_facts(seen, replace(connects, doors=doors))


def test_speaks_when_the_address_fails_and_the_backend_opens():
    (finding,) = said(RULE, with_dead_address(with_proxy(case_of("search-to-index"), ready=False)))

    assert finding.component == Component("DaemonSet", "kube-system", "kube-proxy")
    assert finding.belief > 0.9
    assert finding.because.startswith("kube-proxy-x is not ready CrashLoopBackOff; ")


def test_stays_silent_when_service_addresses_still_open():
    assert strong(RULE, with_proxy(case_of("search-to-index"), ready=False)) == []


def test_speaks_with_less_certainty_where_its_pod_looks_well():
    (finding,) = said(RULE, with_dead_address(with_proxy(case_of("search-to-index"), ready=True)))

    assert 0.5 < finding.belief < 0.8
    assert "Service addresses are not translated on lab1" in finding.cause


def test_speaks_of_a_log_that_says_that_the_api_server_is_lost():
    (finding,) = said(RULE, case_of("37b-kube-proxy-stale-log"))

    assert finding.belief > 0.9
    assert "Failed to watch" in finding.cause


def test_speaks_of_cilium_where_it_replaces_kube_proxy_and_of_the_node_where_nothing_is_to_be_seen():
    seen = with_dead_address(case_of("search-to-index"))
    k3s = replace(seen, environment=replace(seen.environment, kube_proxy_replacement=None), derived={})

    assert said(RULE, seen)[0].component == Component("DaemonSet", "kube-system", "cilium")
    assert said(RULE, k3s)[0].component == Component("Node", "", "lab1")


@pytest.mark.parametrize("changes", [{"internal_traffic_policy": "Local"}, {"headless": True}, {"endpoints": ()}])
def test_stays_silent_where_the_service_itself_explains_it(changes):
    assert classes(RULE, with_service(with_dead_address(case_of("search-to-index")), **changes)) == []


def test_stays_silent_where_policies_are_asked_before_the_address_is_translated():
    assert classes(RULE, case_of("88-aws-service-port-differs")) == []


def test_stays_silent_where_a_backend_fails_as_well():
    seen = with_dead_address(case_of("search-to-index"))
    doors = tuple(
        replace(each, result="timeout") if each.role is Role.BACKEND else each for each in seen[Connects].doors
    )

    assert classes(RULE, with_facts(seen, replace(seen[Connects], doors=doors))) == []


def test_stays_silent_where_the_cni_replaces_it():
    assert classes(RULE, case_of("search-to-index")) == []
    assert classes(RULE, with_proxy(case_of("search-to-index"), ready=False, replaced=True)) == []


def test_cannot_tell_when_kube_proxy_could_not_be_looked_at():
    blind = without(with_proxy(case_of("search-to-index"), ready=False), KubeProxy)

    with pytest.raises(Missing, match="KubeProxy"):
        said(RULE, blind)


def test_stays_silent_where_the_only_backend_is_the_caller_whose_pod_was_not_read():
    assert RULE.of(without(made("pod_cannot_reach_itself_by_its_service"), PodFacts)) == []


def test_stays_silent_at_a_load_balancer_s_address_that_admits_some_sources_only():
    assert RULE.of(without(made("source_range_without_the_pods"), HubbleFlows)) == []
