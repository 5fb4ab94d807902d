"""The same mistakes in other shapes: other kinds of policy, of workload and of address."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

from tests.flows.variants.catalog import variant
from tests.flows.variants.lab import (
    CILIUM_DNS,
    CLIENT,
    HOME,
    INDEX,
    NS,
    SERVER,
    SERVER_IP,
    VIP,
    Incident,
    egress,
    found,
    ingress,
    port,
    recording,
)
from tests.flows.variants.policies import (
    BANK_IP,
    OUTSIDE,
    E,
    I,
    namespaced,
    pods,
    towards_bank,
    towards_index,
    towards_outside,
)

Json = dict[str, Any]
MINE: Json = {"endpointSelector": {"matchLabels": {"app": "search"}}}
THEIRS: Json = {"endpointSelector": {"matchLabels": {"app": "index"}}}
EVERYTHING: Json = {"toEntities": ["all"]}


ONE_HOUR = timedelta(hours=1)


def cilium(lab: Incident, name: str, spec: Json, namespace: str = NS, *, wide: bool = False) -> Incident:
    kind = "CiliumClusterwideNetworkPolicy" if wide else "CiliumNetworkPolicy"
    lab.policy(name, spec, namespace, kind=kind)
    return lab


def expression(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


# -- clusterwide and explicit ----------------------------------------------------------------------------------------


@variant("policy.egress_denied", "CiliumClusterwideNetworkPolicy lockdown", fix=True)
def clusterwide_policy_isolates_by_namespace() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    chosen = {"endpointSelector": {"matchLabels": {"k8s:io.kubernetes.pod.namespace": NS}}}
    return cilium(lab, "lockdown", {**chosen, "egress": [CILIUM_DNS]}, wide=True)


@variant("policy.egress_denied", "CiliumClusterwideNetworkPolicy lockdown", fix=True)
def clusterwide_policy_isolates_all_but_kube_system() -> Incident:
    lab = towards_bank("egress_denied")
    chosen = {"endpointSelector": expression("io.kubernetes.pod.namespace", "NotIn", "kube-system")}
    return cilium(lab, "lockdown", {**chosen, "egress": [CILIUM_DNS, {"toEntities": ["kube-apiserver"]}]}, wide=True)


@variant("policy.explicit_deny", "CiliumClusterwideNetworkPolicy no-outside", fix=False)
def clusterwide_policy_denies_the_world() -> Incident:
    lab = towards_outside("egress_deny")
    return cilium(
        lab, "no-outside", {**MINE, "egress": [EVERYTHING], "egressDeny": [{"toEntities": ["world"]}]}, wide=True
    )


@variant("policy.explicit_deny", "CiliumNetworkPolicy search/no-db", fix=False)
def deny_of_one_port_among_allows() -> Incident:
    lab = towards_index("egress_deny")
    denied = {
        "toEndpoints": [{"matchLabels": {"app": "index"}}],
        "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}],
    }
    return cilium(lab, "no-db", {**MINE, "egress": [EVERYTHING], "egressDeny": [denied]})


@variant("policy.explicit_deny", "CiliumNetworkPolicy search/index-deny", fix=False)
def ingress_deny_of_a_label() -> Incident:
    lab = towards_index("ingress_deny")
    denied = {"fromEndpoints": [expression("app", "In", "search", "crawler")]}
    return cilium(lab, "index-deny", {**THEIRS, "ingress": [{"fromEntities": ["all"]}], "ingressDeny": [denied]})


@variant("policy.ingress_denied", "CiliumNetworkPolicy bank/ledger-home", fix=True)
def cilium_ingress_means_its_own_namespace() -> Incident:
    lab = towards_bank("ingress_denied")
    spec = {"endpointSelector": {"matchLabels": {"app": "ledger"}}, "ingress": [{"fromEndpoints": [{}]}]}
    return cilium(lab, "ledger-home", spec, "bank")


@variant("policy.ingress_denied", "NetworkPolicy bank/same-namespace", fix=True)
def ingress_from_all_of_its_own_namespace() -> Incident:
    """An empty selector means everybody at home: that is a boundary, not a slip."""
    lab = towards_bank("ingress_denied")
    lab.policy("same-namespace", ingress({"from": [pods()]}, app=""), "bank")
    return lab


@variant("policy.ingress_denied", "CiliumNetworkPolicy search/index-world", fix=True)
def cilium_ingress_for_the_world_only() -> Incident:
    lab = towards_index("ingress_denied")
    return cilium(lab, "index-world", {**THEIRS, "ingress": [{"fromEntities": ["world", "host"]}]})


@variant("policy.egress_denied", "CiliumNetworkPolicy search/search-world", fix=True)
def cilium_egress_to_the_world_only() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    return cilium(lab, "search-world", {**MINE, "egress": [CILIUM_DNS, {"toEntities": ["world"]}]})


@variant("policy.wrong_port", "CiliumNetworkPolicy search/search-egress", fix=True)
def cilium_port_in_one_of_several_rules() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    rules = [
        {
            "toEndpoints": [{"matchLabels": {"app": "redis"}}],
            "toPorts": [{"ports": [{"port": "6379", "protocol": "TCP"}]}],
        },
        {"toEndpoints": [{"matchLabels": {"app": "index"}}], "toPorts": [{"ports": [{"port": "80"}]}]},
    ]
    return cilium(lab, "search-egress", {**MINE, "egress": [CILIUM_DNS, *rules]})


@variant("policy.wrong_selector", "CiliumNetworkPolicy search/search-egress", fix=True)
def cilium_namespace_label_misspelt() -> Incident:
    lab = towards_bank("egress_denied")
    rule = {"toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "banks", "app": "ledger"}}]}
    return cilium(lab, "search-egress", {**MINE, "egress": [CILIUM_DNS, rule]})


@variant("policy.wrong_selector", "CiliumNetworkPolicy search/search-egress", fix=None)
def cilium_endpoints_without_their_namespace() -> Incident:
    lab = towards_bank("egress_denied")
    rule = {
        "toEndpoints": [{"matchLabels": {"app": "ledger"}}],
        "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}],
    }
    return cilium(lab, "search-egress", {**MINE, "egress": [CILIUM_DNS, rule]})


@variant("policy.cidr_never_matches", "CiliumNetworkPolicy search/search-egress", fix=None)
def cilium_cidr_over_pods() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    return cilium(lab, "search-egress", {**MINE, "egress": [CILIUM_DNS, {"toCIDR": ["10.244.0.0/16"]}]})


@variant("policy.egress_denied", "CiliumNetworkPolicy search/search-egress")
def cilium_cidr_set_with_the_peer_in_its_except() -> Incident:
    lab = towards_outside("egress_denied", cidr=f"{OUTSIDE}/32", api="timeout")
    block = {"toCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["203.0.113.8/29"]}]}
    return cilium(lab, "search-egress", {**MINE, "egress": [CILIUM_DNS, block]})


# -- selectors by expression -----------------------------------------------------------------------------------------


@variant("policy.egress_denied", "NetworkPolicy search/all-but-crawler", fix=True)
def policy_selects_by_not_in() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    spec = egress()
    spec["podSelector"] = expression("app", "NotIn", "crawler", "index")
    lab.policy("all-but-crawler", spec)
    return lab


@variant("policy.wrong_selector", E, fix=None, also="policy.egress_denied")
def peer_named_by_in_with_a_slip() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy(
        "search-egress",
        egress({"to": [{"podSelector": expression("app", "In", "indx", "cache")}], "ports": [port(8080)]}),
    )
    return lab


@variant("policy.egress_denied", E, fix=True, also="policy.wrong_selector")
def peer_must_have_a_label_it_lacks() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress({"to": [{"podSelector": expression("public", "Exists")}]}))
    return lab


@variant("policy.ingress_denied", "NetworkPolicy search/default-deny", fix=True)
def one_policy_of_three_isolates() -> Incident:
    lab = towards_index("ingress_denied")
    lab.aged(ONE_HOUR)
    lab.policy("default-deny", ingress(app=""), age=9000)
    lab.policy("dns-for-all", egress({"to": [{"namespaceSelector": {}}]}, app=""), age=9000)
    lab.policy("crawler-in", ingress({"from": [pods(app="index")]}, app="crawler"), age=9000)
    return lab


@variant("policy.wrong_port", I, fix=True)
def ingress_range_ends_before_the_port() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy(
        "index-ingress",
        ingress({"from": [{"namespaceSelector": {}, **pods(app="search")}], "ports": [port(8000, end=8079)]}),
    )
    return lab


@variant("policy.both_sides_denied", "NetworkPolicy search/default-deny", fix=None, findings="policy.ingress_denied")
def both_ends_in_one_namespace_by_one_policy() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": egress()["egress"]}
    lab.policy("default-deny", spec)
    return lab


# -- workloads -------------------------------------------------------------------------------------------------------


def owned_by(lab: Incident, pod: str, kind: str, name: str) -> None:
    """The pod belongs to a StatefulSet, DaemonSet or Job instead of a Deployment."""
    thing = lab.find("pods", pod)
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": f"o-{name}", "controller": True}
    thing["metadata"]["ownerReferences"] = [owner]
    thing["metadata"]["labels"].pop("pod-template-hash", None)
    work = copy.deepcopy(lab.find("deployments", name, NS))
    work |= {"kind": kind, "apiVersion": "batch/v1" if kind == "Job" else "apps/v1"}
    work["metadata"]["uid"] = f"o-{name}"
    lab.drop("deployments", name, NS)
    lab.drop("replicasets", name, NS)
    lab.add({"StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "Job": "jobs"}[kind], work)


@variant("policy.egress_denied", E, fix=True)
def a_job_may_not_go_out() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.policy("search-egress", egress())
    owned_by(lab, CLIENT, "Job", "search")
    return lab


@variant("policy.ingress_denied", I, fix=True)
def a_stateful_set_admits_another() -> Incident:
    lab = towards_index("ingress_denied")
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")], "ports": [port(8080)]}))
    owned_by(lab, SERVER, "StatefulSet", "index")
    return lab


@variant("service.no_ready_endpoints", "StatefulSet search/index")
def a_stateful_set_is_not_ready() -> Incident:
    from tests.flows.variants.services import no_backends

    lab = no_backends()
    pod = lab.find("pods", SERVER)
    lab.unready(pod)
    lab.event(pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    lab.slice_of("index")["endpoints"][0]["conditions"] = {"ready": False, "serving": False, "terminating": False}
    owned_by(lab, SERVER, "StatefulSet", "index")
    return lab


@variant("policy.egress_denied", E, fix=True)
def a_pod_address_is_asked_for() -> Incident:
    lab = towards_index("egress_denied", api="timeout")
    lab.asked(f"{SERVER_IP}:8080")
    lab.doors((SERVER_IP, 8080, "timeout"))
    lab.fails(f"http://{SERVER_IP}:8080/", "curl: (28) Connection timed out after 3001 milliseconds")
    lab.policy("search-egress", egress({"to": [pods(app="redis")]}))
    return lab


def headless(lab: Incident) -> Incident:
    lab.find("services", "index")["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    lab.find("services", "index")["spec"]["ports"][0] |= {"port": 8080, "targetPort": 8080}
    return lab


@variant("policy.ingress_denied", I, fix=True)
def behind_a_headless_service() -> Incident:
    lab = headless(towards_index("ingress_denied"))
    lab.asked("index:8080")
    lab.names(*found("index", SERVER_IP))
    lab.doors(("index", 8080, "timeout", SERVER_IP), (SERVER_IP, 8080, "timeout"))
    lab.policy("index-ingress", ingress({"from": [pods(app="crawler")]}))
    return lab


@variant("policy.wrong_port", I, fix=True)
def named_port_behind_a_named_target_port() -> Incident:
    """The policy names the Service's port; the container's port has another name."""
    lab = towards_index("ingress_denied")
    box = lab.find("pods", SERVER)["spec"]["containers"][0]
    box["ports"] = [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]
    lab.find("services", "index")["spec"]["ports"][0] |= {"name": "http", "targetPort": "web"}
    lab.policy("index-ingress", ingress({"from": [pods(app="search")], "ports": [port("http")]}))
    return lab


@variant("service.wrong_target_port", "Service search/index", also="service.no_endpoints")
def target_port_by_a_name_that_no_container_has() -> Incident:
    from tests.flows.variants.services import no_backends

    lab = no_backends()
    box = lab.find("pods", SERVER)["spec"]["containers"][0]
    box["ports"] = [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]
    lab.find("services", "index")["spec"]["ports"][0] |= {"name": "http", "targetPort": "http"}
    lab.slice_of("index").update(ports=None)
    return lab


# -- not at fault ----------------------------------------------------------------------------------------------------


def works(lab: Incident) -> Incident:
    lab.works("http://index/")
    return lab


@variant("none.healthy")
def two_policies_together_admit() -> Incident:
    lab = works(towards_index("opened"))
    lab.policy("default-deny", egress(app=""), age=9000)
    lab.policy(
        "search-out",
        egress({"to": [{"podSelector": expression("app", "In", "index", "cache")}], "ports": [port(8080)]}, dns=False),
        age=9000,
    )
    lab.policy(
        "index-ingress",
        ingress({"from": [{"namespaceSelector": expression("kubernetes.io/metadata.name", "In", NS)}]}),
        age=9000,
    )
    return lab


@variant("none.healthy")
def clusterwide_deny_of_another_namespace() -> Incident:
    lab = works(towards_index("opened"))
    spec = {"endpointSelector": {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "bank"}}, "egress": [EVERYTHING],
            "egressDeny": [{"toEntities": ["cluster"]}]}  # fmt: skip
    return cilium(lab, "bank-shut", spec, wide=True)


@variant("none.healthy")
def policy_of_the_same_label_elsewhere() -> Incident:
    lab = works(towards_index("opened"))
    lab.namespace("bank")
    lab.policy("search-egress", egress(), "bank", age=9000)
    return lab


@variant("none.healthy")
def deny_of_another_port() -> Incident:
    lab = works(towards_index("opened"))
    denied = {
        "toEndpoints": [{"matchLabels": {"app": "index"}}],
        "toPorts": [{"ports": [{"port": "9090", "protocol": "TCP"}]}],
    }
    return cilium(lab, "no-metrics", {**MINE, "egress": [EVERYTHING], "egressDeny": [denied]})


@variant("app.error", "Deployment search/index")
def server_errors_behind_policies_that_admit() -> Incident:
    lab = towards_index("opened")
    lab.policy("search-egress", egress({"to": [pods(app="index")], "ports": [port(8080)]}), age=9000)
    lines = [
        f'2026-11-23T21:17:{20 + each}Z level=error msg="GET http://index/ failed" status="503 0.003000s" body="upstream down"'
        for each in range(8)
    ]
    lab.log(*lines)
    return lab


__all__ = ["BANK_IP", "HOME", "INDEX", "VIP", "json", "namespaced", "recording"]
