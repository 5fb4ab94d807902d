"""A DNS Service that selects nothing while CoreDNS is well: a recorded healthy cluster, altered (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component, SetSelector
from flows.rules.dns_service_selector import RULE
from sensors.dns_coredns_health import CoreDns
from sensors.k8s_services import LabelMiss, Services
from sensors.kit.objects import Ref
from tests.flows.rules.facts import (
    ALWAYS,
    altered,
    dns_down,
    dns_service,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

KUBE_DNS = Component("Service", "kube-system", "kube-dns")


def missed(**service) -> Case:
    fields = {"ready_endpoints": 0, "endpoints": 0, "matching_pods": 0, "selector": {"k8s-app": "kubedns"}, **service}
    return resolving(dns_service(healthy(), **fields), failed(ALWAYS))


def with_near_miss(case: Case) -> Case:
    services = case[Services]
    miss = LabelMiss(Ref("Deployment", "kube-system", "coredns"), 1, "k8s-app", "kubedns", "kube-dns", 1)
    changed = (replace(each, near_misses=(miss,)) if each.name == "kube-dns" else each for each in services.services)
    return altered(case, Services, services=tuple(changed))


def test_speaks_of_a_selector_that_no_dns_pod_has():
    finding = only(RULE, missed())

    assert (finding.component, finding.belief >= 0.95, finding.remedy) == (KUBE_DNS, True, None)
    assert "k8s-app=kubedns" in finding.cause


def test_speaks_with_the_right_selector_where_one_label_is_wrong():
    assert only(RULE, with_near_miss(missed())).remedy == SetSelector(
        KUBE_DNS, {"k8s-app": "kubedns"}, {"k8s-app": "kube-dns"}
    )


def test_stays_silent_when_the_selector_is_right_and_no_pod_is_ready():
    assert judged(RULE, dns_down(healthy())) == []


def test_stays_silent_when_the_pods_are_not_ready_either():
    assert judged(RULE, dns_service(dns_down(healthy()), matching_pods=0)) == []


def test_stays_silent_in_a_healthy_cluster():
    assert judged(RULE, case_of("search-to-index")) == []


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(missed(), CoreDns)) == "CoreDns"
