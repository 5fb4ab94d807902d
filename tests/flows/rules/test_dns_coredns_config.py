"""CoreDNS that runs and answers wrongly: a recorded healthy cluster with another Corefile (synthetic)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.model import Case, Component
from flows.rules.dns_coredns_config import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import Lookups
from sensors.k8s_recent_changes import ChangeKind, RecentChange, RecentChanges
from sensors.kit.corefile import parse_corefile
from sensors.kit.objects import Ref
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    asks,
    dns_down,
    dns_says,
    dns_service,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.flows.rules.made import edited
from tests.flows.variants.lab import mute
from tests.kit.cases import case_of, without

CONFIG_MAP = Component("ConfigMap", "kube-system", "coredns")
GOOD = """.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
    }
    forward . 172.30.0.100
    cache 30
}
"""


def corefile(case: Case, text: str) -> Case:
    return altered(case, CoreDns, corefile=parse_corefile(text, "kube-system/coredns"))


def touched(case: Case) -> Case:
    at = case.at - timedelta(seconds=40)
    change = RecentChange(
        Ref("ConfigMap", "kube-system", "coredns"), ChangeKind.CHANGED, at, 40.0, "kubectl-edit", ("data",)
    )
    return altered(case, RecentChanges, changes=(change,))


def outside_fails(case: Case, rcode: str = "SERVFAIL") -> Case:
    return resolving(asks(case, OUTSIDE, 443), answered(ALWAYS), answered(OUTSIDE, rcode))


@pytest.mark.parametrize(
    ("text", "rcode"),
    [
        (GOOD.replace("cluster.local", "cluster.lokal"), "NXDOMAIN"),
        (".:53 {\n    errors\n    forward . 172.30.0.100\n}\n", "NXDOMAIN"),
    ],
)
def test_speaks_of_a_corefile_without_the_cluster_s_zone(text, rcode):
    finding = only(RULE, resolving(corefile(healthy(), text), answered(ALWAYS, rcode), answered("index", rcode)))

    assert (finding.component, finding.belief >= 0.95) == (CONFIG_MAP, True)
    assert "does not serve the cluster's zone cluster.local" in finding.cause


def test_speaks_of_a_corefile_without_a_way_outside():
    finding = only(RULE, outside_fails(corefile(healthy(), GOOD.replace("    forward . 172.30.0.100\n", ""))))

    assert (finding.component, finding.belief >= 0.95) == (CONFIG_MAP, True)


def test_speaks_of_a_forward_line_that_was_changed_just_before_and_hides_the_upstream():
    finding = only(RULE, touched(outside_fails(corefile(healthy(), GOOD.replace("172.30.0.100", "198.51.100.53")))))

    assert "198.51.100.53" in finding.cause
    assert finding.belief >= 0.5
    assert "dns.upstream_failure" in finding.hides


def test_speaks_of_a_template_that_takes_the_place_of_a_service():
    text = GOOD.replace(
        "    cache 30\n", "    template ANY ANY index.search.svc.cluster.local {\n      rcode NXDOMAIN\n    }\n"
    )

    finding = only(RULE, resolving(corefile(healthy(), text), answered(ALWAYS), answered("index", "NXDOMAIN")))

    assert "although Service search/index exists" in finding.cause
    assert finding.belief >= 0.5


def test_speaks_of_coredns_that_lost_its_right_to_read_the_api():
    case = dns_says(healthy(), CoreDnsTrouble.API_FORBIDDEN, "plugin/kubernetes: services is forbidden")

    finding = only(RULE, resolving(case, answered(ALWAYS, "SERVFAIL")))

    assert finding.component == Component("ClusterRole", "", "system:coredns")


def test_speaks_less_surely_of_wrong_answers_that_nothing_explains():
    assert 0.5 <= only(RULE, resolving(healthy(), answered(ALWAYS, "SERVFAIL"))).belief < 0.8


def refused_on_53(case: Case, text: str, **service: Any) -> Case:
    return resolving(dns_service(corefile(case, text), **service), failed(ALWAYS, "connection refused"))


def test_speaks_of_a_server_block_on_a_port_that_the_service_does_not_send_to():
    finding = only(RULE, refused_on_53(healthy(), GOOD.replace(".:53 {", ".:5353 {")))

    assert (finding.component, finding.belief >= 0.95) == (CONFIG_MAP, True)
    assert "listens on port 5353" in finding.cause
    assert "sends to 53" in finding.cause


def test_stays_silent_about_another_port_where_the_service_sends_there():
    elsewhere = refused_on_53(healthy(), GOOD.replace(".:53 {", ".:5353 {"), target_ports=(5353,))

    assert judged(RULE, elsewhere) == []
    assert judged(RULE, refused_on_53(healthy(), GOOD.replace(".:53 {", ".:5353 {"), target_ports=())) == []


def test_stays_silent_when_the_upstream_is_away_and_the_corefile_was_left_alone():
    assert judged(RULE, outside_fails(healthy())) == []


def test_stays_silent_about_a_name_from_outside_that_does_not_exist():
    assert judged(RULE, touched(outside_fails(healthy(), "NXDOMAIN"))) == []


def test_stays_silent_when_no_server_is_there_to_answer():
    assert judged(RULE, dns_down(healthy())) == []


def test_stays_silent_when_questions_never_reach_coredns():
    assert judged(RULE, case_of("worker-to-queue")) == []
    assert judged(RULE, resolving(healthy(), failed(ALWAYS, "timeout"))) == []


def test_stays_silent_about_a_typo_of_the_caller():
    assert judged(RULE, case_of("notify-to-mailer")) == []


def test_cannot_tell_without_the_dns_servers_or_without_look_ups():
    assert doubts(RULE, without(healthy(), CoreDns)) == "CoreDns"
    assert doubts(RULE, without(healthy(), Lookups)) == "Lookups"


def test_only_suspects_where_the_address_of_the_cluster_s_dns_is_not_known():
    """A pod with dnsPolicy Default gets the same wrong answers, from its node's resolver."""
    case = resolving(healthy(), answered(ALWAYS, "NXDOMAIN"))
    known = only(RULE, case)

    finding = only(RULE, altered(case, CoreDns, service=None))

    assert finding.belief < 0.5 < known.belief


def test_an_error_in_unknown_words_is_no_answer_of_coredns():
    """What the asking tool could not say in its own words came from no server (synthetic)."""

    def unheard(lab):
        lab.only_names(mute("kubernetes.default.svc.cluster.local", "resolver library not loaded", 0.3))

    assert RULE.of(edited("calm", unheard)) == []
