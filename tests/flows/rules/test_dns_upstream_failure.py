"""An upstream resolver that is away: a recorded healthy cluster whose outside names fail (synthetic)."""

from __future__ import annotations

from flows.model import Case, Component
from flows.rules.dns_upstream_failure import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import Lookups
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    asks,
    dns_down,
    dns_says,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

SAID = "[ERROR] plugin/errors: 2 api.example.com. A: read udp 10.244.0.5:41234->172.30.0.100:53: i/o timeout"


def logged(case: Case) -> Case:
    return dns_says(case, CoreDnsTrouble.UPSTREAM_TIMEOUT, SAID, upstream="172.30.0.100:53", count=14)


def outside(case: Case, *rows) -> Case:
    return resolving(asks(case, OUTSIDE, 443), answered(ALWAYS), *rows)


def test_speaks_of_the_upstream_that_coredns_s_log_names():
    finding = only(RULE, logged(outside(healthy(), answered(OUTSIDE, "SERVFAIL"))))

    assert (finding.component, finding.belief >= 0.9) == (Component("External", "", "172.30.0.100"), True)
    assert "Names of the cluster resolve, api.example.com is servfail" in finding.cause


def test_speaks_less_surely_by_the_forward_line_alone():
    finding = only(RULE, outside(healthy(), failed(OUTSIDE, "timeout", 2500.0)))

    assert finding.component == Component("External", "", "172.30.0.100")
    assert 0.5 <= finding.belief < 0.9


def test_speaks_of_the_policy_instead_where_one_keeps_coredns_from_its_upstream():
    locked = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "locked-dns", "namespace": "kube-system"},
        "spec": {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "policyTypes": ["Egress"]},
    }
    case = logged(outside(healthy(), answered(OUTSIDE, "SERVFAIL")))
    case = altered(case, Policies, objects=(*case[Policies].objects, locked))

    finding = only(RULE, case)

    assert finding.cause_class == "policy.egress_denied"
    assert finding.component == Component("NetworkPolicy", "kube-system", "locked-dns")
    assert finding.belief >= 0.8


def test_stays_silent_when_cluster_names_fail_too():
    case = logged(resolving(asks(healthy(), OUTSIDE), failed(ALWAYS, "timeout"), failed(OUTSIDE, "timeout")))

    assert judged(RULE, case) == []
    assert judged(RULE, dns_down(healthy())) == []


def test_stays_silent_about_a_name_that_does_not_exist():
    assert judged(RULE, logged(outside(healthy(), answered(OUTSIDE, "NXDOMAIN")))) == []


def test_stays_silent_about_old_complaints_while_outside_names_resolve():
    assert judged(RULE, logged(outside(healthy(), answered(OUTSIDE)))) == []
    assert judged(RULE, logged(case_of("sync-to-partner"))) == []


def test_stays_silent_as_root_cause_when_a_name_of_the_cluster_is_in_question():
    case = logged(resolving(healthy(), answered(ALWAYS), answered("index"), answered(OUTSIDE, "SERVFAIL")))

    assert all(each.belief < 0.5 for each in judged(RULE, case))


def test_cannot_tell_without_look_ups_or_dns_servers():
    assert doubts(RULE, without(healthy(), Lookups)) == "Lookups"
    assert doubts(RULE, without(healthy(), CoreDns)) == "CoreDns"


def test_only_suspects_the_upstream_where_nobody_read_the_pods_whose_policies_may_refuse_it():
    case = altered(logged(outside(healthy(), answered(OUTSIDE, "SERVFAIL"))), CoreDns, pods=(), pods_read=False)

    assert [each.belief < 0.5 for each in judged(RULE, case)] == [True]


def test_speaks_where_the_dns_service_was_not_read_and_its_server_answers_for_names_of_the_cluster():
    case = altered(logged(outside(healthy(), answered(OUTSIDE, "SERVFAIL"))), CoreDns, service=None)

    assert only(RULE, case).belief >= 0.9


def test_stays_silent_where_whose_answers_the_pod_gets_is_open():
    case = altered(
        logged(resolving(asks(healthy(), OUTSIDE, 443), answered(OUTSIDE, "SERVFAIL"))), CoreDns, service=None
    )

    assert judged(RULE, case) == []
