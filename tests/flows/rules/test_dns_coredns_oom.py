"""CoreDNS killed for its memory: recorded on a real cluster; the look-alikes are that recording, altered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flows.model import Component, RaiseMemory
from flows.rules.dns_coredns_oom import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, DnsEvent
from sensors.dns_lookup import Lookups
from tests.flows.rules.facts import ALWAYS, answered, dns_pod, dns_says, dns_service, doubts, judged, only, resolving
from tests.kit.cases import case_of, with_facts, without

COREDNS = Component("Deployment", "kube-system", "coredns")
CASE = "frontend-to-backend"


def test_speaks_of_coredns_that_is_oom_killed_again_and_again():
    finding = only(RULE, case_of(CASE))

    assert (finding.cause_class, finding.component) == ("dns.coredns_oom", COREDNS)
    assert finding.belief >= 0.95
    assert "26Mi" in finding.cause
    assert "dns.coredns_down" in finding.hides


def test_speaks_with_a_remedy_that_gives_at_least_what_the_manifest_of_coredns_gives():
    finding = only(RULE, case_of(CASE))

    assert finding.remedy == RaiseMemory(COREDNS, "coredns", 0, "26Mi", "26Mi", "170Mi", "Recreate")


def test_speaks_with_twice_the_limit_where_that_is_more():
    case = dns_pod(case_of(CASE), memory_limit="170Mi", memory_request="70Mi")

    finding = only(RULE, case)

    assert finding.remedy == RaiseMemory(COREDNS, "coredns", 0, "170Mi", "70Mi", "340Mi", "Recreate")


def test_speaks_without_a_remedy_where_the_node_and_not_a_limit_was_exhausted():
    case = dns_pod(case_of(CASE), memory_limit=None)
    dns = case[CoreDns]
    assert dns.workload is not None
    case = with_facts(case, replace(dns, workload=replace(dns.workload, memory_limit=None)))

    assert only(RULE, case).remedy is None


def test_speaks_of_a_kill_that_only_the_kernel_calls_by_its_name():
    case = case_of(CASE)
    pod = case[CoreDns].pods[0]
    assert pod.last_ending is not None
    case = dns_pod(case, last_ending=replace(pod.last_ending, reason="Error"))
    kill = DnsEvent(pod.last_ending.finished, "kernel", f"Node {pod.node}", "OOMKilled", "Killed process (coredns)")
    case = with_facts(case, replace(case[CoreDns], events=(kill,)))

    assert only(RULE, case).belief >= 0.95


def test_speaks_less_surely_where_nobody_saw_the_pod_s_look_ups_and_its_log_is_still():
    case = without(case_of(CASE), Lookups)

    assert only(RULE, case).belief >= 0.5


def test_stays_silent_when_a_loop_is_what_eats_the_memory():
    case = dns_says(
        case_of(CASE), CoreDnsTrouble.LOOP, '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone "."'
    )

    assert judged(RULE, case) == []


def test_stays_silent_about_coredns_that_ended_for_another_reason():
    case = case_of(CASE)
    end = case[CoreDns].pods[0].last_ending
    assert end is not None
    case = dns_pod(case, last_ending=replace(end, reason="Error", exit_code=1))
    case = with_facts(case, replace(case[CoreDns], events=()))

    assert judged(RULE, case) == []


def test_stays_silent_as_root_cause_when_the_kill_is_long_ago_and_names_resolve():
    case = case_of(CASE)
    end = case[CoreDns].pods[0].last_ending
    assert end is not None
    case = dns_pod(case, ready=True, waiting=None, last_ending=replace(end, finished=case.at - timedelta(hours=5)))
    case = resolving(dns_service(case, ready_endpoints=1), answered(ALWAYS))

    assert only(RULE, case).belief < 0.5


def test_stays_silent_in_a_recording_whose_kernel_log_tells_of_an_older_kill():
    assert judged(RULE, case_of("planner-to-roster")) == []


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(case_of(CASE), CoreDns)) == "CoreDns"


def test_offers_no_memory_where_nobody_read_the_log_that_would_tell_of_a_loop():
    case = case_of(CASE)
    pod = case[CoreDns].pods[0].name
    unread = (f"log of {pod}: not in the recording", f"log of {pod} before its restart: not in the recording")
    unheard = with_facts(case, replace(case[CoreDns], log=(), unread=unread))

    finding = only(RULE, unheard)

    assert finding.cause_class == "dns.coredns_oom"
    assert (finding.remedy, finding.belief) == (None, 0.65)
    assert finding.recommendation.startswith("Read CoreDNS's log before that")
