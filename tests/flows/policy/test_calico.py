"""Calico's own policies: judged where they only admit, in the default tier; never guessed anywhere else."""

from __future__ import annotations

from typing import Any

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN_PROFILE
from flows.policy.calico_selectors import parse_chosen, parse_namespaces
from flows.policy.reading import NotUnderstood
from tests.flows.policy.builders import Json, allowed, netpol, pod, space

CLUSTER = [
    space("x", team="red"),
    space("y", team="blue"),
    space("kube-system"),
    pod("x/a", "10.0.0.1", app="web"),
    pod("x/db", "10.0.0.3", {"pg": 5432}, app="db"),
    pod("y/b", "10.0.0.2", app="web"),
    pod("kube-system/dns", "10.0.0.9", **{"k8s-app": "kube-dns"}),
]
DNS = {
    "action": "Allow",
    "protocol": "UDP",
    "destination": {"selector": 'k8s-app == "kube-dns"', "ports": [53]},
}


def calico(where: str = "", group: str = "projectcalico.org/v3", **spec: Any) -> Json:
    """A NetworkPolicy of this namespace, or a GlobalNetworkPolicy without one."""
    metadata = {"name": "c", **({"namespace": where} if where else {})}
    kind = "NetworkPolicy" if where else "GlobalNetworkPolicy"
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec}


def may(source: str, destination: str, port: str, *policies: Json, profile: Any = CALICO_IPTABLES) -> bool | None:
    return allowed([*CLUSTER, *policies], profile, source, destination, port)


def egress(*rules: Json, **spec: Any) -> Json:
    return calico(types=["Egress"], egress=list(rules), **spec)


def to(protocol: str = "TCP", **destination: Any) -> Json:
    return {"action": "Allow", "protocol": protocol, "destination": destination}


# -- judged ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["projectcalico.org/v3", "crd.projectcalico.org/v1"])
def test_a_global_policy_drops_what_it_does_not_list(group: str) -> None:
    policy = calico(
        group=group,
        selector='projectcalico.org/namespace not in {"kube-system"}',
        types=["Ingress", "Egress"],
        egress=[DNS],
    )

    assert may("x/a", "kube-system/dns", "UDP 53", policy) is True
    assert may("x/a", "kube-system/dns", "TCP 53", policy) is False
    assert may("x/a", "y/b", "TCP 80", policy) is False
    assert may("kube-system/dns", "203.0.113.1", "UDP 53", policy) is True


def test_a_namespaced_policy_is_about_its_namespace_and_looks_there() -> None:
    policy = calico("x", selector="app == 'web'", types=["Egress"], egress=[to(selector="app == 'db'", ports=[5432])])

    assert may("x/a", "x/db", "TCP 5432", policy) is True
    assert may("x/a", "y/b", "TCP 5432", policy) is False
    assert may("y/b", "x/a", "TCP 80", policy) is True


def test_another_namespace_is_named_by_its_labels_or_its_name() -> None:
    by_label = calico("x", types=["Egress"], egress=[to(namespaceSelector="team == 'blue'")])
    by_name = calico("x", types=["Egress"], egress=[to(namespaceSelector="projectcalico.org/name == 'y'")])

    for policy in (by_label, by_name):
        assert may("x/a", "y/b", "TCP 80", policy) is True
        assert may("x/a", "x/db", "TCP 80", policy) is False


def test_policies_of_both_kinds_add_up_in_the_default_tier() -> None:
    shut, opened = calico(types=["Ingress"]), netpol("y/open", ingress=[{}])

    assert may("x/a", "y/b", "TCP 80", shut) is False
    assert may("x/a", "y/b", "TCP 80", shut, opened) is True


@pytest.mark.parametrize(
    ("ports", "is_open"),
    [([5432], True), (["5000:6000"], True), (["pg"], True), (["5433:6000"], False), ([80], False), ([], True)],
)
def test_ports_are_numbers_ranges_and_names(ports: list[Any], is_open: bool) -> None:
    assert may("x/a", "x/db", "TCP 5432", egress(to(ports=ports))) is is_open


def test_addresses_mean_pods_too_and_a_rule_for_everybody_everybody() -> None:
    assert may("x/a", "203.0.113.7", "TCP 443", egress(to(nets=["203.0.113.0/24"]))) is True
    assert may("x/a", "203.0.114.7", "TCP 443", egress(to(nets=["203.0.113.0/24"]))) is False
    assert may("x/a", "x/db", "TCP 1", egress(to(nets=["10.0.0.0/8"]))) is True
    assert may("x/a", "203.0.114.7", "UDP 1", egress({"action": "Allow"})) is True


def test_types_that_are_missing_follow_from_the_rules() -> None:
    assert may("x/a", "y/b", "TCP 80", calico(egress=[DNS])) is False
    assert may("203.0.113.7", "x/a", "TCP 80", calico(egress=[DNS])) is True
    assert may("203.0.113.7", "x/a", "TCP 80", calico()) is False


def test_a_rule_that_only_logs_decides_nothing() -> None:
    assert may("x/a", "y/b", "TCP 80", egress({"action": "Log"})) is False
    assert may("x/a", "y/b", "TCP 80", egress({"action": "Log"}, to())) is True


# -- order -------------------------------------------------------------------------------------------------------------

DENY: Json = {"action": "Deny", "protocol": "TCP"}


def kubernetes_admits() -> Json:
    return netpol("x/k8s", types=["Egress"], egress=[{}])


def test_a_denial_before_kubernetes_policies_beats_what_they_admit() -> None:
    early = egress({**DENY, "destination": {"namespaceSelector": "team == 'blue'"}}, {"action": "Allow"}, order=10)

    assert may("x/a", "y/b", "TCP 80", early, kubernetes_admits()) is False
    assert may("x/a", "x/db", "TCP 5432", early) is True
    assert may("x/a", "y/b", "UDP 80", early) is True


def test_of_two_policies_the_smaller_order_decides() -> None:
    admits = {**egress(to(), order=5), "metadata": {"name": "first"}}
    denies = egress(DENY, order=10.5)

    assert may("x/a", "y/b", "TCP 80", admits, denies) is True
    assert may("x/a", "y/b", "TCP 80", {**admits, "spec": {**admits["spec"], "order": 20}}, denies) is False


def test_what_an_early_policy_does_not_match_is_for_the_later_ones_and_dropped_without_them() -> None:
    early = egress({**DENY, "destination": {"ports": [22]}}, order=10)

    assert may("x/a", "y/b", "TCP 80", early) is False
    assert may("x/a", "y/b", "TCP 80", early, kubernetes_admits()) is True
    assert may("x/a", "y/b", "TCP 22", early, kubernetes_admits()) is False


def test_a_last_rule_that_denies_the_rest_says_what_the_end_of_the_tier_does() -> None:
    last = egress(to(ports=[80]), {"action": "Deny"})

    assert may("x/a", "y/b", "TCP 80", last) is True
    assert may("x/a", "y/b", "TCP 81", last) is False
    assert may("x/a", "y/b", "TCP 81", last, kubernetes_admits()) is True


# -- never guessed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        {"egress": [{"action": "Deny"}, {"action": "Allow"}]},
        {"egress": [{"action": "Deny", "protocol": "TCP"}]},
        {"order": 2000, "egress": [{"action": "Deny"}]},
        {"order": "first", "egress": [{"action": "Deny"}]},
        {"egress": [{"action": "Pass"}]},
        {"egress": [{}]},
        {"tier": "security"},
        {"selector": "app == 'web' || app == 'db'"},
        {"selector": "app starts with 'w'"},
        {"selector": "pcns.team == 'red'"},
        {"serviceAccountSelector": "role == 'x'"},
        {"preDNAT": True},
        {"applyOnForward": True},
        {"types": ["Sideways"]},
    ],
)
def test_what_depends_on_order_tier_or_unknown_words_is_undecidable(spec: Json) -> None:
    policy = calico(**{"types": ["Egress"], **spec})

    assert may("x/a", "y/b", "TCP 80", policy) is None


@pytest.mark.parametrize(
    "rule",
    [
        to(notSelector="app == 'db'"),
        to(nets=["10.0.0.0/8"], selector="app == 'db'"),
        {**to(), "source": {"selector": "app == 'web'"}},
        {**to(), "http": {"methods": ["GET"]}},
        {"action": "Allow", "notProtocol": "TCP"},
        {"action": "Allow", "protocol": "ICMP"},
        {"action": "Allow", "destination": {"ports": [80]}},
        to(ports=["8080:80"]),
    ],
)
def test_a_rule_that_is_not_understood_may_admit_and_what_others_admit_stays(rule: Json) -> None:
    assert may("x/a", "y/b", "TCP 80", egress(rule)) is None
    assert may("x/a", "y/b", "TCP 80", egress(rule, to())) is True


def test_a_selector_may_also_mean_a_network_set_which_is_not_read() -> None:
    policy = egress(to(selector="role == 'partner'"))

    assert may("x/a", "203.0.113.7", "TCP 443", policy) is None
    assert may("x/a", "y/b", "TCP 443", policy) is False


@pytest.mark.parametrize("profile", [CILIUM, UNKNOWN_PROFILE])
def test_another_datapath_may_not_even_apply_it(profile: Any) -> None:
    assert may("x/a", "y/b", "TCP 80", calico(types=["Egress"]), profile=profile) is None


# -- selectors ---------------------------------------------------------------------------------------------------------

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("all()", True),
        ("app == 'web'", True),
        ('app=="web" && tier != "back"', True),
        ("zone != 'a'", True),
        ("app in {'web', 'api'}", True),
        ("app not in { 'web' }", False),
        ("has(tier)", True),
        ("!has(tier)", False),
        ("has(zone)", False),
    ],
)
def test_a_selector_is_read_as_calico_reads_it(text: str, matches: bool) -> None:
    assert parse_chosen(text, "/spec/selector").pods.matches(LABELS) is matches


@pytest.mark.parametrize("text", ["global()", "(app == 'web')", "!(app == 'web')", "app contains 'w'", "app = 'web'"])
def test_words_that_are_not_read_are_said(text: str) -> None:
    with pytest.raises(NotUnderstood, match="is not read here"):
        parse_namespaces(text, "/spec/namespaceSelector")
