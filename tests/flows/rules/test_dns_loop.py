"""CoreDNS that forwards to itself: the words of its loop plugin in a recording of CoreDNS being killed (synthetic)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component
from flows.rules.dns_coredns_oom import RULE as OOM
from flows.rules.dns_loop import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, Forward
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    asks,
    dns_down,
    dns_pod,
    dns_says,
    doubts,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

SAID = '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone "."'


def test_speaks_of_the_loop_and_says_that_memory_does_not_help():
    finding = only(
        RULE, dns_says(dns_down(healthy(), waiting="CrashLoopBackOff", restarts=6), CoreDnsTrouble.LOOP, SAID)
    )

    assert (finding.component, finding.belief >= 0.95) == (Component("ConfigMap", "kube-system", "coredns"), True)
    assert "More memory does not help" in finding.recommendation
    assert finding.remedy is None


def test_speaks_also_where_the_loop_ends_as_oom_and_hides_that():
    finding = only(RULE, dns_says(case_of("frontend-to-backend"), CoreDnsTrouble.LOOP, SAID))

    assert "dns.coredns_oom" in finding.hides
    assert finding.belief >= 0.95


def test_stays_silent_about_coredns_that_was_killed_without_a_loop():
    assert judged(RULE, case_of("frontend-to-backend")) == []


def test_stays_silent_about_a_probe_of_the_loop_plugin_that_went_unanswered():
    assert judged(RULE, dns_says(healthy(), CoreDnsTrouble.LOOP_PROBE_UNANSWERED, "HINFO: read udp: i/o timeout")) == []


def test_stays_silent_as_root_cause_while_servers_are_ready():
    assert only(RULE, dns_says(healthy(), CoreDnsTrouble.LOOP, SAID)).belief < 0.5


def test_cannot_tell_without_the_dns_servers():
    assert doubts(RULE, without(healthy(), CoreDns)) == "CoreDns"


# -- a circle that nothing in the log tells of -------------------------------------------------------------------------


def killed_with(*upstreams: str, **pod) -> Case:
    """The recording of CoreDNS being killed, with another forward line in its Corefile (synthetic)."""
    case = case_of("frontend-to-backend")
    corefile = case[CoreDns].corefile
    assert corefile is not None
    changed = replace(corefile, forwards=(Forward(".", upstreams),))
    return altered(dns_pod(case, **pod), CoreDns, corefile=changed)


@pytest.mark.parametrize(
    ("upstreams", "pod", "words"),
    [
        (("127.0.0.1",), {}, "the loopback of its own pod"),
        (("127.0.0.53:53",), {}, "the loopback of its own pod"),
        (("[::1]:53",), {}, "the loopback of its own pod"),
        (("10.96.0.10",), {}, "the address of its own Service kube-system/kube-dns"),
        (
            ("/etc/resolv.conf",),
            {"nameservers": ("127.0.0.53",), "dns_policy": "Default"},
            "says nameserver 127.0.0.53",
        ),
        (("/etc/resolv.conf",), {"nameservers": ("10.96.0.10",), "dns_policy": "Default"}, "its own Service"),
        (("/etc/resolv.conf",), {"dns_policy": "ClusterFirst"}, "names the cluster's DNS Service"),
    ],
)
def test_speaks_of_a_circle_in_the_forward_line_and_no_memory_is_offered(upstreams, pod, words):
    case = killed_with(*upstreams, **pod)
    finding = only(RULE, case)

    assert words in finding.cause
    assert finding.belief >= 0.95
    assert judged(OOM, case) == []


@pytest.mark.parametrize(
    ("upstreams", "pod"),
    [
        (("172.30.0.100",), {}),
        (("127.0.0.1:5353",), {}),
        (("tls://127.0.0.1",), {}),
        (("127.0.0.53",), {"host_network": True}),
        (("/etc/resolv.conf",), {"nameservers": ("172.30.0.100",), "dns_policy": "Default"}),
        (("/etc/resolv.conf",), {"nameservers": (), "dns_policy": "Default"}),
    ],
)
def test_stays_silent_about_forward_lines_that_lead_outside(upstreams, pod):
    case = killed_with(*upstreams, **pod)

    assert judged(RULE, case) == []
    assert len(judged(OOM, case)) == 1


def test_stays_silent_about_a_circle_from_which_nothing_suffers():
    case = healthy()
    corefile = case[CoreDns].corefile
    assert corefile is not None
    circled = altered(case, CoreDns, corefile=replace(corefile, forwards=(Forward(".", ("127.0.0.1",)),)))

    assert judged(RULE, circled) == []


def test_speaks_of_a_circle_while_servers_are_ready_and_no_name_from_outside_resolves():
    case = asks(healthy(), OUTSIDE)
    corefile = case[CoreDns].corefile
    assert corefile is not None
    circled = altered(case, CoreDns, corefile=replace(corefile, forwards=(Forward(".", ("127.0.0.1",)),)))

    assert only(RULE, resolving(circled, answered(ALWAYS), answered(OUTSIDE, "SERVFAIL"))).belief > 0.8
