"""A node-local DNS cache that does not answer: a recorded healthy cluster whose pod asks one (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component
from flows.rules.dns_nodelocal import RULE
from sensors.dns_coredns_health import CoreDns, DnsWorkload
from sensors.dns_lookup import Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit.resolv_conf import Resolver
from tests.flows.rules.facts import (
    ALWAYS,
    altered,
    answered,
    dns_down,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

LOCAL = Resolver(("169.254.20.10",), ("search.svc.cluster.local", "svc.cluster.local", "cluster.local"), (), 5)


def cached(case: Case, ready: int = 1, error: str = "connection refused") -> Case:
    case = altered(case, CoreDns, node_local=DnsWorkload("DaemonSet", "kube-system", "node-local-dns", 2, ready))
    return resolving(case, failed(ALWAYS, error, server="169.254.20.10"), resolver=LOCAL)


def test_speaks_of_a_cache_that_is_missing_on_a_node():
    finding = only(RULE, cached(healthy()))

    assert (finding.component, finding.belief >= 0.9) == (Component("DaemonSet", "kube-system", "node-local-dns"), True)
    assert "its node lab1 at 169.254.20.10" in finding.cause
    assert "1 of 2 pods ready" in finding.cause


def test_speaks_less_surely_when_all_caches_say_that_they_are_ready():
    assert 0.5 <= only(RULE, cached(healthy(), ready=2, error="timeout")).belief < 0.9


def test_stays_silent_when_the_servers_behind_the_cache_are_down():
    assert judged(RULE, cached(dns_down(healthy()))) == []


def test_stays_silent_while_the_cache_answers():
    case = resolving(cached(healthy()), answered(ALWAYS, server="169.254.20.10"), resolver=LOCAL)

    assert judged(RULE, case) == []


def test_stays_silent_about_a_pod_that_asks_the_dns_service_itself():
    assert judged(RULE, case_of("worker-to-queue")) == []


def test_stays_silent_as_root_cause_when_a_policy_drops_the_questions():
    case = cached(case_of("worker-to-queue"))
    assert any(each.port == 53 for each in case[HubbleFlows].dropped)

    assert only(RULE, replace(case, derived={})).belief < 0.5


def test_cannot_tell_without_look_ups_or_dns_servers():
    assert doubts(RULE, without(cached(healthy()), Lookups)) == "Lookups"
    assert doubts(RULE, without(cached(healthy()), CoreDns)) == "CoreDns"
