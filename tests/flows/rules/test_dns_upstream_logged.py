"""CoreDNS's own word for a name that nobody looked up: a recorded healthy cluster whose log complains (synthetic)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.model import Case, Component
from flows.rules.dns_upstream_logged import RULE
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import Lookups
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from sensors.k8s_recent_changes import ChangeKind, RecentChange, RecentChanges
from sensors.kit.app_log import read_line
from sensors.kit.objects import Ref
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    complaining,
    dns_says,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.flows.variants.running import diagnose
from tests.kit.cases import without

SAID = "[ERROR] plugin/errors: 2 api.example.com. A: read udp 10.244.0.5:41234->172.30.0.100:53: i/o timeout"


def logged(host: str = OUTSIDE) -> Case:
    """CoreDNS complains of its upstream for one name, the pod's log cannot resolve `host`; nobody named a peer."""
    case = dns_says(
        complaining(healthy(), host=host),
        CoreDnsTrouble.UPSTREAM_TIMEOUT,
        SAID,
        upstream="172.30.0.100:53",
        count=18,
        names=("api.example.com.",),
    )
    nobody = replace(case, target=replace(case.target, to_host=None, to_port=None), derived={})
    return resolving(nobody, answered(ALWAYS))


def touched(case: Case) -> Case:
    at = case.at - timedelta(seconds=20)
    change = RecentChange(
        Ref("ConfigMap", "kube-system", "coredns"), ChangeKind.CHANGED, at, 20.0, "kubectl-edit", ("data",)
    )
    return altered(case, RecentChanges, changes=(change,))


@pytest.mark.parametrize("blind", [(), (Lookups,)])
def test_speaks_of_the_upstream_that_left_the_very_name_unanswered(blind: tuple[type, ...]) -> None:
    finding = only(RULE, without(logged(), *blind))

    assert (finding.cause_class, finding.belief >= 0.7) == ("dns.upstream_failure", True)
    assert finding.component == Component("External", "", "172.30.0.100")
    assert finding.cause.startswith("CoreDNS cannot resolve api.example.com: the DNS server 172.30.0.100")
    assert "CoreDNS says 18 times" in finding.because


@pytest.mark.parametrize("blind", [(), (Lookups,)])
def test_speaks_of_the_corefile_where_it_was_changed_just_before(blind: tuple[type, ...]) -> None:
    case = without(touched(logged()), *blind)
    finding = only(RULE, case)

    assert (finding.cause_class, finding.belief >= 0.8) == ("dns.coredns_config", True)
    assert finding.component == Component("ConfigMap", "kube-system", "coredns")
    assert diagnose(case).cause_class == "dns.coredns_config"


MISBEHAVES = "dial tcp: lookup api.example.com on 10.96.0.10:53: server misbehaving"


def complained(line: str = MISBEHAVES) -> Case:
    """Only the pod tells of the name: CoreDNS's log has nothing, and nobody looked it up."""
    error = read_line("search", line)
    assert error is not None
    case = altered(logged(), CoreDns, log=())
    said = (replace(error, count=9, time=case.at),)
    return altered(case, PodFacts, log_errors=said, log_last=(("search", error.text),))


@pytest.mark.parametrize("blind", [(), (Lookups,)])
def test_speaks_by_the_pod_s_own_word_where_the_corefile_was_changed_just_before(blind: tuple[type, ...]) -> None:
    case = without(touched(complained()), *blind)
    finding = only(RULE, case)

    assert (finding.cause_class, finding.component.kind) == ("dns.coredns_config", "ConfigMap")
    assert MISBEHAVES in finding.because
    assert diagnose(case).cause_class == "dns.coredns_config"
    assert 0.5 <= diagnose(case).confidence < 0.8


def test_stays_silent_about_the_pod_s_own_word_where_nothing_was_changed_or_the_name_is_wrong() -> None:
    assert judged(RULE, complained()) == []
    assert judged(RULE, touched(complained(MISBEHAVES.replace("server misbehaving", "no such host")))) == []
    assert judged(RULE, touched(complained(MISBEHAVES.replace("api.example.com", "index.search.svc")))) == []
    assert judged(RULE, resolving(touched(complained()), answered(ALWAYS), answered(OUTSIDE))) == []


def test_stays_silent_about_a_name_that_the_pod_never_asked() -> None:
    assert judged(RULE, logged(host="other.example.com")) == []
    assert judged(RULE, altered(logged(), PodFacts, log_errors=())) == []


def test_stays_silent_where_a_look_up_tells() -> None:
    assert judged(RULE, resolving(logged(), answered(ALWAYS), answered(OUTSIDE))) == []
    assert judged(RULE, resolving(logged(), failed(ALWAYS, "timeout"))) == []


def test_only_suspects_where_a_policy_keeps_coredns_from_its_upstream_or_none_was_read() -> None:
    locked = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "locked-dns", "namespace": "kube-system"},
        "spec": {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "policyTypes": ["Egress"]},
    }
    case = logged()
    kept = altered(case, Policies, objects=(*case[Policies].objects, locked))

    assert only(RULE, kept).belief < 0.5
    assert only(RULE, without(case, Policies)).belief < 0.5


def test_cannot_tell_without_the_dns_servers() -> None:
    assert doubts(RULE, without(logged(), CoreDns)) == "CoreDns"
