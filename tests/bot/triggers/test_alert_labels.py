"""Who is meant by labels, and which peer: by one table, for every sender, and never by a guess."""

from __future__ import annotations

import pytest

from bot.triggers.alert import AlertSubject, SubjectKind
from bot.triggers.alert_labels import meant_by, peer_in, subjects_of
from sensors.kit.addresses import HostPort

SHOP = {"namespace": "shop"}


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        ({**SHOP, "pod": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({"kube_namespace": "shop", "pod_name": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({"k8s.namespace.name": "shop", "k8s.pod.name": "web-1"}, (AlertSubject(SubjectKind.POD, "web-1", "shop"),)),
        ({**SHOP, "deployment": "web"}, (AlertSubject(SubjectKind.WORKLOAD, "deploy/web", "shop"),)),
        ({**SHOP, "kube_stateful_set": "db"}, (AlertSubject(SubjectKind.WORKLOAD, "sts/db", "shop"),)),
        ({**SHOP, "service": "web", "job": "web"}, (AlertSubject(SubjectKind.SERVICE, "web", "shop"),)),
        ({**SHOP, "ingress": "web"}, (AlertSubject(SubjectKind.INGRESS, "web", "shop"),)),
        ({"node": "w1"}, (AlertSubject(SubjectKind.NODE, "w1"),)),
        ({"pod": "web-1"}, ()),
        ({**SHOP, "pod": "<!channel>"}, ()),
        ({}, ()),
    ],
)
def test_labels_name_what_is_meant(labels: dict[str, str], meant: tuple[AlertSubject, ...]):
    assert meant_by(labels) == meant


FORGED = "x\n2026-11-30 05:00:00,000 ERROR bot.app: forged"


@pytest.mark.parametrize(
    "labels",
    [
        {**SHOP, "pod": f"{FORGED}/web-9"},
        {**SHOP, "pod": "web-9/x"},
        {"namespace": f"{FORGED}/shop", "pod": "web-9"},
        {**SHOP, "workload": "kube-system/cilium-x7k2p"},
        {**SHOP, "workload": f"deploy/{FORGED}"},
        {**SHOP, "workload": "deploy/"},
        {**SHOP, "deployment": "job/web"},
        {**SHOP, "deployment": f"{FORGED}/web"},
        {**SHOP, "service": f"{FORGED}/web"},
        {**SHOP, "ingress": f"{FORGED}/web"},
        {"node": f"{FORGED}/w1"},
        {"node": f"fe80::1%{FORGED}"},
        {"source_namespace": "shop", "source_pod": f"shop/{FORGED}"},
        {"source": f"shop/{FORGED}"},
    ],
)
def test_what_could_be_no_name_in_any_of_its_parts_is_not_meant(labels: dict[str, str]):
    assert meant_by(labels) == ()


def test_the_kind_before_a_workload_s_name_and_the_namespace_before_a_pod_s_are_no_part_of_the_name():
    labels = ({"workload": "deployment/web"}, {"workload": "deploy/web"}, {"daemonset": "web"}, {"job_name": "web"})

    said = [str(each) for one in labels for each in meant_by({**SHOP, **one})]

    assert said == [f"workload shop/{kind}/web" for kind in ("deployment", "deploy", "ds", "job")]
    assert meant_by({"source_namespace": "shop", "source_pod": "shop/web-1"})[0].name == "web-1"


def test_the_pod_of_a_scrape_is_not_the_pod_that_is_meant():
    own = {"namespace": "monitoring", "pod": "kube-state-metrics-7d", "job": "kube-state-metrics", "service": "ksm"}

    assert meant_by({**own, "exported_namespace": "shop", "exported_pod": "web-1"}) == (
        AlertSubject(SubjectKind.POD, "web-1", "shop"),
    )
    assert meant_by(own) == ()


POD, WORKLOAD, SERVICE, NODE, INGRESS, PROBE = (
    *(SubjectKind.POD, SubjectKind.WORKLOAD, SubjectKind.SERVICE),
    *(SubjectKind.NODE, SubjectKind.INGRESS, SubjectKind.PROBE),
)
MONITORING = {"namespace": "monitoring"}
STATE_METRICS = {
    **MONITORING,
    "job": "kube-state-metrics",
    "pod": "kps-kube-state-metrics-6d4f-x",
    "container": "kube-state-metrics",
    "service": "kps-kube-state-metrics",
    "instance": "10.244.0.9:8080",
}
EXAMPLE = {
    "job": "kubernetes-service-endpoints",
    "kubernetes_namespace": "kube-system",
    "kubernetes_name": "kube-state-metrics",
}
NODE_EXPORTER = {**MONITORING, "job": "node-exporter", "pod": "kps-node-exporter-x", "instance": "10.0.0.11:9100"}
UNKNOWN = {"source_workload": "unknown", "source_workload_namespace": "unknown"}
AGENT = {"job": "hubble-metrics", "namespace": "kube-system", "pod": "cilium-x", "service": "hubble-metrics"}
CONTROLLER = {"namespace": "ingress-nginx", "pod": "ingress-nginx-controller-x"}


@pytest.mark.parametrize(
    ("alertname", "labels", "meant"),
    [
        ("KubeNodeNotReady", {**STATE_METRICS, "node": "w1"}, [(NODE, "w1", "")]),
        ("KubeX", {**STATE_METRICS, "deployment": "grafana"}, [(WORKLOAD, "deploy/grafana", "monitoring")]),
        ("KubeX", {**STATE_METRICS, **SHOP, "deployment": "api"}, [(WORKLOAD, "deploy/api", "shop")]),
        ("KubePodNotReady", {**STATE_METRICS, **SHOP, "pod": "web-1"}, [(POD, "web-1", "shop")]),
        (
            "KubePodNotReady",
            {**STATE_METRICS, "exported_namespace": "monitoring", "exported_pod": STATE_METRICS["pod"]},
            [(POD, STATE_METRICS["pod"], "monitoring")],
        ),
        (
            "KubePodNotReady",
            {"job": "kube-state-metrics", "namespace": "monitoring", "pod": NODE_EXPORTER["pod"]},
            [(POD, NODE_EXPORTER["pod"], "monitoring")],
        ),
        (
            "TargetDown",
            {each: STATE_METRICS[each] for each in ("job", "namespace", "service")},
            [(SERVICE, "kps-kube-state-metrics", "monitoring")],
        ),
        ("KubeX", {**SHOP, **EXAMPLE, "deployment": "api"}, [(WORKLOAD, "deploy/api", "shop")]),
        ("KubePodNotReady", {**SHOP, **EXAMPLE, "pod": "web-1"}, [(POD, "web-1", "shop")]),
        ("Errors", {"kubernetes_namespace": "shop", "kubernetes_name": "web"}, [(SERVICE, "web", "shop")]),
        ("NodeNetworkReceiveErrs", NODE_EXPORTER, [(NODE, "10.0.0.11", "")]),
        ("NodeNetworkReceiveErrs", {**NODE_EXPORTER, "instance": "w1"}, [(NODE, "w1", "")]),
        ("NodeNetworkReceiveErrs", {"instance": "[fd00::11]:9100"}, [(NODE, "fd00::11", "")]),
        ("KubeletX", {"job": "kubelet", "instance": "10.0.0.11:10250"}, [(NODE, "10.0.0.11", "")]),
        ("KubePodNotReady", {**SHOP, "pod": "web-1", "node": "w1"}, [(POD, "web-1", "shop")]),
        (
            "HubbleDropsHigh",
            {**AGENT, "source_namespace": "shop", "source_pod": "web-1", "destination_namespace": "db"},
            [(POD, "web-1", "shop")],
        ),
        (
            "HubbleDropsHigh",
            {**AGENT, "source": "reserved:world", "destination_namespace": "db", "destination_pod": "db-0"},
            [(POD, "db-0", "db")],
        ),
        ("HubbleDropsHigh", {**AGENT, "source": "shop/web-1", "destination": "db/db-0"}, [(WORKLOAD, "web-1", "shop")]),
        ("HubbleDropsHigh", {**AGENT, "source": "reserved:world", "destination_namespace": "db"}, []),
        (
            "Istio5xx",
            {"source_workload": "web", "source_workload_namespace": "shop", "destination_workload": "api"},
            [(WORKLOAD, "web", "shop")],
        ),
        (
            "Istio5xx",
            {**UNKNOWN, "destination_workload": "api", "destination_workload_namespace": "shop"},
            [(WORKLOAD, "api", "shop")],
        ),
        ("X", {**SHOP, "workload": "api", "workload_type": "deployment"}, [(WORKLOAD, "deploy/api", "shop")]),
        ("X", {**SHOP, "workload": "api"}, [(WORKLOAD, "api", "shop")]),
        ("X", {"deployment": "api"}, [(WORKLOAD, "deploy/api", "")]),
        ("IngressErrors", {"host": "shop.example"}, [(INGRESS, "shop.example", ""), (NODE, "shop.example", "")]),
        (
            "IngressErrors",
            {**CONTROLLER, "exported_namespace": "shop", "exported_service": "web", "ingress": "web"},
            [(INGRESS, "web", "shop"), (SERVICE, "web", "shop"), (POD, CONTROLLER["pod"], "shop")],
        ),
        (
            "LivenessProbeFailing",
            {**SHOP, "pod": "web-1", "job": "kubelet", "instance": "10.0.0.11:10250"},
            [(POD, "web-1", "shop")],
        ),
        (
            "BlackboxExporterDown",
            {"namespace": "monitoring", "pod": "bb-1", "job": "blackbox", "instance": "10.244.0.7:9115"},
            [(POD, "bb-1", "monitoring")],
        ),
    ],
)
def test_what_an_exporter_adds_of_itself_is_not_what_is_meant(
    alertname: str, labels: dict[str, str], meant: list[tuple[SubjectKind, str, str]]
):
    assert meant_by(labels, alertname) == tuple(AlertSubject(*each) for each in meant)


def test_where_no_pod_is_named_exactly_the_text_counts_as_well():
    assert subjects_of({**SHOP, "pod": "web-1"})[-1].kind is POD
    assert [each.kind for each in subjects_of({**SHOP, "service": "web"})] == [SERVICE, SubjectKind.WORDS]
    assert [each.kind for each in subjects_of({"pod": "web-1"})] == [SubjectKind.WORDS]
    assert [each.kind for each in subjects_of({"host": "w1"})] == [INGRESS, SubjectKind.WORDS, NODE]


def test_a_probe_s_target_is_the_address_that_was_probed_and_not_its_name():
    labels = {"job": "blackbox", "instance": "https://user:pw@pay.example:8443/x?y=1", "target": "pay.example"}

    assert peer_in(labels, "") == HostPort("pay.example", 8443)
    assert peer_in({**labels, "kai_to": "db.shop:5432"}, "") == HostPort("db.shop", 5432)
    assert peer_in({"job": "blackbox", "instance": "10.244.0.7:9115"}, "") is None
    assert peer_in({"job": "kubelet", "instance": "10.0.0.11:10250"}, "", "ReadinessProbeFailed") is None


def test_a_probe_alert_means_the_probing_pod_and_its_target_as_the_peer():
    labels = {"namespace": "monitoring", "pod": "blackbox-1", "instance": "https://pay.example/healthz"}

    assert meant_by(labels) == (AlertSubject(SubjectKind.PROBE, "blackbox-1", "monitoring"),)
    assert peer_in(labels, "") == HostPort("pay.example", 443)
    assert meant_by({"job": "blackbox-tcp", "instance": "db.shop:5432"}) == (AlertSubject(SubjectKind.PROBE, ""),)


def test_the_address_of_a_usual_scrape_is_no_peer():
    labels = {**SHOP, "pod": "web-1", "instance": "10.0.1.7:8080", "job": "web"}

    assert peer_in(labels, "") is None
    assert meant_by(labels) == (AlertSubject(SubjectKind.POD, "web-1", "shop"),)


@pytest.mark.parametrize(
    ("words", "peer"),
    [
        ("shop/web-1 cannot reach 10.96.0.1:443", HostPort("10.96.0.1", 443)),
        ("Get: dial tcp 10.96.0.1:443: i/o timeout", HostPort("10.96.0.1", 443)),
        ("dial tcp [fd00::1]:443: connect: connection refused", HostPort("fd00::1", 443)),
        ("web → payments.prod:8080 fails", HostPort("payments.prod", 8080)),
        ("unable to connect to `https://pay.example/x`.", HostPort("pay.example", 443)),
        ("cannot reach 10.0.0.1:443, cannot reach 10.0.0.2:443", None),
        ("it cannot reach the database", None),
        ("cannot connect to https://pay.example/x", HostPort("pay.example", 443)),
        ("connection to db.shop:5432 timed out", HostPort("db.shop", 5432)),
        ("connect ECONNREFUSED 10.96.5.5:8080", HostPort("10.96.5.5", 8080)),
        ("getaddrinfo ENOTFOUND db.shop.svc", HostPort("db.shop.svc")),
        ("connection refused to db.shop:5432", HostPort("db.shop", 5432)),
        ("cannot connect to db.shop:5432: connect ECONNREFUSED 10.96.5.5:5432", HostPort("db.shop", 5432)),
        ("connect ETIMEDOUT 10.0.0.1:443, connect ETIMEDOUT 10.0.0.2:443", None),
        ("connection refused to retry", None),
        ("Runbook: connect to https://grafana.example/d/1", None),
        ("see -> https://wiki.example/x", None),
        ("listens on 0.0.0.0:8080", None),
        ("", None),
    ],
)
def test_a_peer_is_what_the_words_cannot_reach(words: str, peer: HostPort | None):
    assert peer_in({}, words) == peer


def test_a_label_wins_over_words():
    assert peer_in({"kai_to": "db.shop:5432/tcp"}, "cannot reach 10.0.0.1:443") == HostPort("db.shop", 5432, "TCP")


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        (
            {"source_cluster": "default", "source_node_name": "w1"},
            (AlertSubject(SubjectKind.POD, "cilium-x7k2p", "kube-system"),),
        ),
        ({"source_cluster": "default", "source": "shop/web"}, (AlertSubject(SubjectKind.WORKLOAD, "web", "shop"),)),
    ],
)
def test_an_agent_that_measures_from_its_own_node_is_meant_and_not_one_that_counts_flows(labels, meant):
    agent = {"job": "cilium-agent", "namespace": "kube-system", "pod": "cilium-x7k2p"}

    assert meant_by({**agent, **labels}, "CiliumUnreachableNodes") == meant
