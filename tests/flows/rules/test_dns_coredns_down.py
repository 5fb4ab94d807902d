"""No DNS server is ready: one recorded incident, and the other reasons as that recording altered (synthetic)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component
from flows.rules.dns_coredns_down import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, Corefile, DnsEvent, Ending
from sensors.kit.resolv_conf import Resolver
from tests.flows.rules.facts import (
    ALWAYS,
    altered,
    answered,
    dns_down,
    dns_pod,
    dns_says,
    dns_service,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

COREDNS = Component("Deployment", "kube-system", "coredns")
CONFIG_MAP = Component("ConfigMap", "kube-system", "coredns")


def test_speaks_of_coredns_whose_only_node_is_gone():
    finding = only(RULE, case_of("planner-to-roster"))

    assert finding.cause == "No DNS server of the cluster is ready: its only pod runs on lab2, which is not ready"
    assert (finding.component, finding.belief >= 0.95) == (COREDNS, True)


def test_speaks_of_coredns_scaled_to_nothing():
    case = dns_service(altered(dns_down(healthy()), CoreDns, pods=()), endpoints=0)
    workload = case[CoreDns].workload
    assert workload is not None
    case = altered(case, CoreDns, workload=replace(workload, desired=0, ready=0))

    finding = only(RULE, case)

    assert finding.cause == "No DNS server of the cluster is ready: Deployment kube-system/coredns is scaled to 0"
    assert finding.component == COREDNS
    assert finding.belief >= 0.95


def test_speaks_of_a_corefile_that_cannot_be_read_and_shows_the_line():
    case = dns_down(healthy(), restarts=4, waiting="CrashLoopBackOff", last_ending=Ending("Error", 1, None))
    example = "/etc/coredns/Corefile:3 - Error during parsing: Unknown directive 'fowrard'"
    case = dns_says(case, CoreDnsTrouble.CONFIG_ERROR, example, config_line=3)
    corefile = Corefile(
        "kube-system/coredns", (".:53",), (), (), (), None, (), ".:53 {\n    errors\n    fowrard . 10.0.0.2\n}"
    )
    case = altered(case, CoreDns, corefile=corefile)

    finding = only(RULE, case)

    assert finding.component == CONFIG_MAP
    assert "in line 3 (`fowrard . 10.0.0.2`)" in finding.cause
    assert finding.recommendation.startswith("Correct line 3 of the Corefile in ConfigMap kube-system/coredns")
    assert finding.remedy is None


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({"waiting": "ImagePullBackOff", "image": "coredns:9"}, "the image coredns:9 cannot be had (ImagePullBackOff)"),
        ({"unscheduled": "0/2 nodes are available", "node": None, "phase": "Pending"}, "finds no node"),
        ({"waiting": "ContainerCreating", "phase": "Pending"}, "does not start (ContainerCreating)"),
        (
            {"waiting": "CrashLoopBackOff", "restarts": 7, "last_ending": Ending("Error", 2, None)},
            "crashes (its last run ended as Error, exit code 2, 7 restarts)",
        ),
    ],
)
def test_speaks_with_the_reason_that_the_pod_s_state_gives(pod, words):
    finding = only(RULE, dns_down(healthy(), **pod))

    assert words in finding.cause
    assert (finding.component, finding.belief >= 0.95) == (COREDNS, True)


def test_speaks_of_pods_that_run_and_are_not_ready_with_the_probe_s_words():
    case = dns_down(healthy())
    probe = DnsEvent(
        None, "event", "Pod", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
    )

    finding = only(RULE, altered(case, CoreDns, events=(probe,)))

    assert "statuscode: 503" in finding.cause


def test_one_pod_is_told_as_one_and_silence_is_told_as_silence():
    finding = only(RULE, dns_down(healthy()))

    assert finding.cause.endswith("is not ready, and no event or log line says why")


def test_speaks_of_coredns_that_may_not_read_the_api():
    case = dns_says(dns_down(healthy()), CoreDnsTrouble.API_FORBIDDEN, "endpointslices.discovery.k8s.io is forbidden")

    assert only(RULE, case).component == Component("ClusterRole", "", "system:coredns")


def test_stays_silent_when_the_servers_died_of_too_little_memory():
    assert judged(RULE, case_of("frontend-to-backend")) == []


def test_stays_silent_when_a_loop_stops_them():
    assert judged(RULE, dns_says(dns_down(healthy()), CoreDnsTrouble.LOOP, "[FATAL] plugin/loop: Loop detected")) == []


def test_stays_silent_when_the_service_selects_other_pods():
    case = dns_service(healthy(), ready_endpoints=0, endpoints=0, matching_pods=0)

    assert judged(RULE, resolving(case, failed(ALWAYS))) == []


@pytest.mark.parametrize("name", ["worker-to-queue", "edge-to-sessions", "notify-to-mailer"])
def test_stays_silent_when_servers_are_ready_and_something_else_breaks_the_look_ups(name):
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_as_root_cause_for_a_pod_that_asks_another_server():
    case = dns_down(healthy())
    case = resolving(case, answered(ALWAYS, "NXDOMAIN", server="172.30.0.100"), resolver=Resolver(("172.30.0.100",)))

    assert only(RULE, case).belief < 0.5


def test_stays_silent_as_root_cause_when_an_address_and_not_a_name_is_in_question():
    case = dns_down(healthy())
    case = replace(case, target=replace(case.target, to_host="172.30.0.77"), derived={})

    assert only(RULE, case).belief < 0.5


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(dns_pod(healthy(), ready=False), CoreDns)) == "CoreDns"


def test_only_suspects_where_nobody_read_the_pods():
    """No endpoint is ready; whether for want of memory, of a node or of a configuration, the pods would say."""
    case = altered(case_of("planner-to-roster"), CoreDns, pods=(), pods_read=False)

    finding = only(RULE, case)

    assert finding.belief < 0.5
    assert finding.cause == "No DNS server of the cluster is ready: its pods could not be read, so why is open"
    assert finding.because.startswith("Deployment kube-system/coredns: its pods could not be read")
