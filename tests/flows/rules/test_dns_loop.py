"""CoreDNS that forwards to itself: the words of its loop plugin in a recording of CoreDNS being killed (synthetic)."""

from __future__ import annotations

from flows.model import Component
from flows.rules.dns_loop import RULE
from sensors.dns_coredns_health import CoreDns, Trouble
from tests.flows.rules.facts import dns_down, dns_says, doubts, healthy, judged, only
from tests.kit.cases import case_of, without

SAID = '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone "."'


def test_speaks_of_the_loop_and_says_that_memory_does_not_help():
    finding = only(RULE, dns_says(dns_down(healthy(), waiting="CrashLoopBackOff", restarts=6), Trouble.LOOP, SAID))

    assert (finding.component, finding.belief >= 0.95) == (Component("ConfigMap", "kube-system", "coredns"), True)
    assert "More memory does not help" in finding.recommendation
    assert finding.remedy is None


def test_speaks_also_where_the_loop_ends_as_oom_and_hides_that():
    finding = only(RULE, dns_says(case_of("frontend-to-backend"), Trouble.LOOP, SAID))

    assert "dns.coredns_oom" in finding.hides
    assert finding.belief >= 0.95


def test_stays_silent_about_coredns_that_was_killed_without_a_loop():
    assert judged(RULE, case_of("frontend-to-backend")) == []


def test_stays_silent_about_a_probe_of_the_loop_plugin_that_went_unanswered():
    assert judged(RULE, dns_says(healthy(), Trouble.LOOP_PROBE_UNANSWERED, "HINFO: read udp: i/o timeout")) == []


def test_stays_silent_as_root_cause_while_servers_are_ready():
    assert only(RULE, dns_says(healthy(), Trouble.LOOP, SAID)).belief < 0.5


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(healthy(), CoreDns)) == "CoreDns"
