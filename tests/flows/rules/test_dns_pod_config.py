"""A pod that asks the wrong DNS server: a recorded healthy cluster with the pod's DNS settings altered (synthetic)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case, Component
from flows.rules.dns_pod_config import RULE
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit.resolv_conf import Resolver
from sensors.net_connect import Connects
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    asks,
    complaining,
    dns_down,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without

NODES_OWN = Resolver(("172.30.0.100",))
NAME = "index.search.svc.cluster.local"
SEARCH = Component("Deployment", "search", "search")


def away(case: Case, **spec) -> Case:
    """The pod has the node's resolv.conf, and the node's resolver knows no cluster name."""
    case = altered(asks(case, NAME), PodFacts, **spec)
    unknown = [answered(name, "NXDOMAIN", server="172.30.0.100") for name in (ALWAYS, NAME)]
    return resolving(case, *unknown, resolver=NODES_OWN)


@pytest.mark.parametrize(
    ("spec", "words", "advice"),
    [
        ({"dns_policy": "Default"}, "dnsPolicy Default", "ClusterFirst"),
        ({"dns_policy": "None", "dns_nameservers": ("172.30.0.100",)}, "dnsPolicy None", "ClusterFirst"),
        ({"host_network": True, "dns_policy": "ClusterFirst"}, "on the host network", "ClusterFirstWithHostNet"),
    ],
)
def test_speaks_of_the_setting_that_leads_away_from_the_cluster_s_dns(spec, words, advice):
    finding = only(RULE, away(healthy(), **spec))

    assert (finding.component, finding.belief >= 0.95) == (SEARCH, True)
    assert "172.30.0.100" in finding.cause
    assert words in finding.cause
    assert advice in finding.recommendation


def test_speaks_of_a_resolver_that_answers_nothing_even_for_outside_names():
    dead = Resolver(("192.0.2.1",))
    case = altered(asks(healthy(), OUTSIDE), PodFacts, dns_policy="None", dns_nameservers=("192.0.2.1",))
    case = resolving(case, failed(ALWAYS, "timeout"), failed(OUTSIDE, "timeout"), resolver=dead)

    assert only(RULE, case).belief >= 0.95


def test_speaks_of_a_search_list_that_does_not_lead_to_the_service():
    bare = Resolver(("10.96.0.10",), ("example.com",), (), 5)
    case = altered(healthy(), PodFacts, dns_policy="None", dns_searches=("example.com",))
    case = resolving(case, answered(ALWAYS), answered("index", "NXDOMAIN"), resolver=bare)

    finding = only(RULE, case)

    assert "search list (example.com) does not lead there" in finding.cause
    assert finding.belief >= 0.95


def test_speaks_by_the_spec_alone_where_resolv_conf_could_not_be_read_and_the_log_complains():
    case = complaining(altered(healthy(), PodFacts, dns_policy="Default"))

    assert 0.5 <= only(RULE, without(case, Lookups)).belief < 0.95


def test_stays_silent_when_coredns_is_down_and_the_pod_does_ask_it():
    assert judged(RULE, dns_down(healthy())) == []


def test_stays_silent_about_a_host_network_pod_that_has_the_right_policy():
    assert judged(RULE, case_of("edge-to-sessions")) == []


def test_stays_silent_as_root_cause_when_the_other_server_resolves_what_the_pod_wants():
    case = altered(asks(healthy(), OUTSIDE), PodFacts, dns_policy="Default")
    rows = (answered(ALWAYS, "NXDOMAIN", server="172.30.0.100"), answered(OUTSIDE, server="172.30.0.100"))

    assert only(RULE, resolving(case, *rows, resolver=NODES_OWN)).belief < 0.5


def test_speaks_of_a_short_cluster_name_that_the_other_server_takes_for_one_from_outside():
    """`svc.ns` looks like a name from outside to whoever trusts the broken search list."""
    case = altered(asks(healthy(), "index.search"), PodFacts, host_network=True, dns_policy="ClusterFirst")
    case = resolving(case, answered("index.search", "NXDOMAIN", server="172.30.0.100"), resolver=NODES_OWN)

    assert only(RULE, case).belief >= 0.8


def test_speaks_by_the_spec_alone_of_a_cluster_name_in_the_question():
    case = altered(asks(healthy(), NAME), PodFacts, host_network=True, dns_policy="ClusterFirst")
    case = without(case, Lookups, Connects, HubbleFlows)

    assert 0.5 <= only(RULE, case).belief < 0.95


@pytest.mark.parametrize("policy", ["Default", "ClusterFirst"])
def test_stays_silent_about_a_dns_server_itself(policy):
    """dnsPolicy Default is the norm of CoreDNS; the only failing look-up is the one KAI asked for."""
    server = case_of("search-to-index")[CoreDns].pods[0]
    case = altered(healthy(), PodFacts, dns_policy=policy)
    case = replace(case, target=replace(case.target, pod=server.name, namespace=server.namespace, to_host=None))

    assert judged(RULE, resolving(case, answered(ALWAYS, "NXDOMAIN"), resolver=NODES_OWN)) == []


def test_stays_silent_about_a_pod_that_never_asks_for_a_cluster_name():
    case = altered(asks(healthy(), OUTSIDE), PodFacts, dns_policy="Default")
    case = replace(case, target=replace(case.target, to_host=None))

    assert judged(RULE, resolving(case, answered(ALWAYS, "NXDOMAIN"), resolver=NODES_OWN)) == []


def test_stays_silent_about_a_node_local_cache():
    case = resolving(healthy(), answered(ALWAYS), resolver=Resolver(("169.254.20.10",)))

    assert judged(RULE, case) == []


def test_cannot_tell_without_the_pod():
    assert doubts(RULE, without(healthy(), PodFacts)) == "PodFacts"
