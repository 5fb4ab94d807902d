"""Who is meant: one pod that exists, and why that one; or the ones to choose from, never a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.alerts.target import ChosenTarget, UnclearTarget, who
from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.alertmanager import read, split
from sensors.kit import Target
from sensors.kit.kinds import INGRESS, SERVICE, Kind
from tests.bot.alerts.alerting import alert, ingress, pod, scene, service


def about(kind: SubjectKind, name: str, namespace: str = "shop", **more: Any) -> Alert:
    return alert(meant=(AlertSubject(kind, name, namespace),), **more)


def test_a_pod_that_exists_is_meant_with_its_peer():
    said = who(alert(peer=("10.96.0.1", 443)), scene(pod("web-1")))

    assert said == ChosenTarget(Target("web-1", "shop", "10.96.0.1", 443), "", True)


def test_a_pod_that_is_gone_is_followed_to_its_workload_and_said_so():
    there = scene(
        pod("web-7f-new01", ready=False, owner="ReplicaSet/web-7f"), pod("web-7f-old99", owner="ReplicaSet/web-7f")
    )

    said = who(about(SubjectKind.POD, "web-7f-gone1"), there)

    assert isinstance(said, ChosenTarget)
    assert said.target.pod == "web-7f-new01"
    assert said.why == (
        "pod shop/web-7f-gone1 is not there any more; web-7f-new01 is a pod of the same workload: it is not ready"
    )
    assert who(about(SubjectKind.POD, "db-0"), there) == UnclearTarget("pod shop/db-0 is not there any more")


def test_of_a_workload_or_service_the_failing_pod_is_chosen():
    pods = (
        pod("web-a", owner="StatefulSet/web", app="web"),
        pod("web-b", ready=False, owner="StatefulSet/web", app="web"),
    )
    there = scene(*pods, services=(service("front", app="web"),))

    of_workload, of_service = (
        who(about(SubjectKind.WORKLOAD, "sts/web"), there),
        who(about(SubjectKind.SERVICE, "front"), there),
    )

    assert isinstance(of_workload, ChosenTarget)
    assert isinstance(of_service, ChosenTarget)
    assert (of_workload.target.pod, of_service.target.pod) == ("web-b", "web-b")
    assert of_service.why == "web-b is one of 2 of the pods of Service shop/front: it is not ready"


def test_a_service_without_pods_says_so():
    there = scene(pod("web-a"), services=(service("front", app="web"), service("bare")))

    assert who(about(SubjectKind.SERVICE, "front"), there) == UnclearTarget("Service shop/front selects no pod")
    assert who(about(SubjectKind.SERVICE, "bare"), there) == UnclearTarget("Service shop/bare selects no pod")
    assert who(about(SubjectKind.SERVICE, "gone"), there) == UnclearTarget("no Service shop/gone is to be seen")


def test_an_ingress_leads_to_the_pods_behind_its_only_service():
    there = scene(
        pod("web-a", ready=False, app="web"),
        pod("api-a", app="api"),
        services=(service("web", app="web"), service("api", app="api")),
        ingresses=(ingress("one", "web"), ingress("two", "web", "api")),
    )

    one, two = who(about(SubjectKind.INGRESS, "one"), there), who(about(SubjectKind.INGRESS, "two"), there)

    assert isinstance(one, ChosenTarget)
    assert one.target.pod == "web-a"
    assert two == UnclearTarget("Ingress shop/two has 2 Services behind it", (("shop", "api-a"), ("shop", "web-a")))


def test_of_two_services_behind_an_ingress_that_select_one_pod_it_is_offered_once():
    there = scene(
        pod("web-a", app="web"),
        services=(service("web", app="web"), service("canary", app="web")),
        ingresses=(ingress("two", "web", "canary"),),
    )

    assert who(about(SubjectKind.INGRESS, "two"), there) == UnclearTarget(
        "Ingress shop/two has 2 Services behind it", (("shop", "web-a"),)
    )


@pytest.mark.parametrize("unread", [SERVICE, INGRESS])
def test_what_could_not_be_read_is_not_said_to_be_missing(unread: Kind):
    there = replace(scene(pod("web-a"), ingresses=(ingress("one", "web"),)), unread={unread: "KAI may not list it"})
    of_service, of_ingress, of_both = (
        who(about(SubjectKind.SERVICE, "web"), there),
        who(about(SubjectKind.INGRESS, "gone"), there),
        who(
            alert(meant=(AlertSubject(SubjectKind.POD, "gone-1", "shop"), *about(unread_of(unread), "web").meant)),
            there,
        ),
    )

    said = "Service shop/web could not be read: KAI may not list it"
    assert of_service == (
        UnclearTarget(said, is_unread=True) if unread is SERVICE else UnclearTarget("no Service shop/web is to be seen")
    )
    assert of_ingress == (
        UnclearTarget("Ingress shop/gone could not be read: KAI may not list it", is_unread=True)
        if unread is INGRESS
        else UnclearTarget("no Ingress shop/gone is to be seen")
    )
    assert of_both == UnclearTarget("pod shop/gone-1 is not there any more", is_unread=True)


def unread_of(kind: Kind) -> SubjectKind:
    return SubjectKind.SERVICE if kind is SERVICE else SubjectKind.INGRESS


def test_on_a_node_the_failing_pod_is_chosen_and_of_ready_ones_none():
    there = scene(pod("a", node="w1"), pod("b", node="w1", ready=False), pod("c", node="w2"))

    failing = who(about(SubjectKind.NODE, "w1", ""), there)

    assert isinstance(failing, ChosenTarget)
    assert failing.target.pod == "b"
    assert who(about(SubjectKind.NODE, "w2", ""), there) == UnclearTarget(
        "no pod on node w2 fails: its only pod is ready", (("shop", "c"),)
    )


def test_a_node_is_found_by_its_address_too():
    there = scene(pod("a", node="w1", host="10.0.0.11"), pod("b", node="w2", host="fd00::12", ready=False))

    by_ip = who(about(SubjectKind.NODE, "fd00:0::12", ""), there)

    assert isinstance(by_ip, ChosenTarget)
    assert by_ip.why == "b is the only one of the pods on node w2"
    assert who(about(SubjectKind.NODE, "10.0.0.11", ""), there) == UnclearTarget(
        "no pod on node w1 fails: its only pod is ready", (("shop", "a"),)
    )
    assert who(about(SubjectKind.NODE, "10.0.0.99", ""), there) == UnclearTarget("no pod runs on node 10.0.0.99")


def test_a_host_leads_to_the_service_behind_its_ingress_else_to_the_node_of_that_name():
    there = scene(
        *(pod("web-a", ready=False, app="web"), pod("api-a", "other", ready=False, node="w2", app="api")),
        services=(service("web", app="web"), service("api", "other", app="api")),
        ingresses=(ingress("web", "web", host="shop.example"), ingress("api", "api", namespace="other", host="w3")),
    )
    by_host = {
        name: who(alert(meant=(AlertSubject(SubjectKind.INGRESS, name), AlertSubject(SubjectKind.NODE, name))), there)
        for name in ("shop.example", "w2", "gone.example")
    }

    said = by_host["shop.example"], by_host["w2"]

    assert [each.target.pod for each in said if isinstance(each, ChosenTarget)] == ["web-a", "api-a"]
    assert by_host["gone.example"] == UnclearTarget("no Ingress for the host gone.example is to be seen")


def test_of_workloads_of_one_name_none_is_guessed():
    there = scene(
        *(pod("web-a", owner="StatefulSet/web"), pod("web-b", owner="StatefulSet/web", ready=False)),
        *(pod("web-c", "stage", owner="DaemonSet/web"), pod("db-0", owner="StatefulSet/db")),
    )

    anywhere = who(about(SubjectKind.WORKLOAD, "web", ""), there)
    here = who(about(SubjectKind.WORKLOAD, "web"), there)
    of_kind = who(about(SubjectKind.WORKLOAD, "ds/web", ""), there)

    assert anywhere == UnclearTarget(
        "there are 2 workloads of the name web, and the alert does not say which",
        (("shop", "web-b"), ("stage", "web-c")),
    )
    assert isinstance(here, ChosenTarget)
    assert here.why == "web-b is one of 2 of the pods of web: it is not ready"
    assert isinstance(of_kind, ChosenTarget)
    assert str(of_kind.target) == "stage/web-c"
    assert who(about(SubjectKind.WORKLOAD, "api"), there) == UnclearTarget(
        "no pod of the workload api is to be seen in namespace shop"
    )


def test_where_the_first_thing_is_gone_it_is_said_that_another_was_taken():
    meant = (AlertSubject(SubjectKind.POD, "web-gone", "shop"), AlertSubject(SubjectKind.SERVICE, "front", "shop"))

    said = who(alert(meant=meant), scene(pod("web-a", app="web"), services=(service("front", app="web"),)))

    assert isinstance(said, ChosenTarget)
    assert said.why == (
        "pod shop/web-gone is not there any more; web-a is the only one of the pods of Service shop/front"
    )


def test_of_a_probe_without_its_pod_the_prober_is_found():
    there = scene(pod("bb-1", "monitoring", owner="ReplicaSet/bb", image="prom/blackbox-exporter:v0.25"), pod("web-1"))

    said = who(about(SubjectKind.PROBE, "", "", peer=("pay.example", 443)), there)

    assert isinstance(said, ChosenTarget)
    assert (said.target, said.why) == (
        Target("bb-1", "monitoring", "pay.example", 443),
        "bb-1 is the only one of the pods that probe (blackbox exporter)",
    )
    assert isinstance(who(about(SubjectKind.PROBE, "", ""), scene(pod("web-1"))), UnclearTarget)


def by_words(words: str) -> Alert:
    return alert(meant=(AlertSubject(SubjectKind.WORDS, ""),), words=words, title=words)


def test_bare_names_count_when_such_a_pod_exists():
    there = scene(pod("web-1"), pod("web-1", "stage"), pod("db-0"))

    one = who(by_words("[FIRING:1] X shop (web-1 critical)"), there)

    assert isinstance(one, ChosenTarget)
    assert str(one.target) == "shop/web-1"


def test_an_exporter_that_measured_is_not_what_its_alert_is_about():
    exporter = pod("kps-kube-state-metrics-x", "monitoring", owner="ReplicaSet/kps-kube-state-metrics")
    there = scene(exporter, pod("api-1", owner="StatefulSet/api"), pod("b", node="w2", ready=False))
    labels = "kube-state-metrics http monitoring kps-kube-state-metrics-x kps-kube-state-metrics"

    of_workload, of_node = (
        who(
            alert(name, meant=(AlertSubject(SubjectKind.WORDS, ""),), title=f"[FIRING:1] {name} ({labels} {value})"),
            there,
        )
        for name, value in (("KubeReplicasMismatch", "api shop"), ("KubeNodeNotReady", "w2"))
    )

    assert isinstance(of_workload, ChosenTarget)
    assert str(of_workload.target) == "shop/api-1"
    assert isinstance(of_node, ChosenTarget)
    assert of_node.why == "b is the only one of the pods on node w2"
    assert who(by_words(f"[FIRING:1] KubeHpaMaxedOut ({labels})"), there) == UnclearTarget(
        "the alert names only the exporter that measured it", (("monitoring", "kps-kube-state-metrics-x"),)
    )
    itself = who(by_words("[FIRING:1] KubePodNotReady monitoring (kps-kube-state-metrics-x)"), there)
    assert isinstance(itself, ChosenTarget)


def test_the_values_of_labels_are_words_too():
    said = who(
        alert(meant=(AlertSubject(SubjectKind.WORDS, ""),), title="x", labels={"pod": "web-1"}), scene(pod("web-1"))
    )

    assert isinstance(said, ChosenTarget)


def test_a_workload_counts_by_its_name_where_its_namespace_is_named_too():
    there = scene(pod("web-0", owner="StatefulSet/web"), pod("web-1", ready=False, owner="StatefulSet/web"))

    named = who(by_words("[FIRING:1] KubeStatefulSetReplicasMismatch shop (prod web)"), there)

    assert isinstance(named, ChosenTarget)
    assert named.target.pod == "web-1"
    assert isinstance(who(by_words("[FIRING:1] KubeStatefulSetReplicasMismatch (prod web)"), there), UnclearTarget)


def test_two_named_pods_are_a_choice_and_none_is_said():
    there = scene(pod("web-1"), pod("db-0"))

    assert who(by_words("web-1 and db-0 are slow"), there) == UnclearTarget(
        "the alert names 2 pods", (("shop", "db-0"), ("shop", "web-1"))
    )
    assert who(by_words("everything is slow"), there) == UnclearTarget("the alert names no pod or workload that exists")


def test_an_alert_that_names_nothing_says_so():
    assert who(alert(meant=()), scene(pod("web-1"))) == UnclearTarget(
        "the alert names no pod, workload, Service or node"
    )


def sent(alertname: str, words: str = "", **labels: str) -> Alert:
    """An alert as Alertmanager sends it: the title has the values of all its labels, without their names."""
    labels = {"alertname": alertname, "severity": "critical", **labels}
    one = {"status": "firing", "labels": labels, "annotations": {"description": words}}
    payload = {"status": "firing", "alerts": [one], "groupLabels": {"alertname": alertname}, "commonLabels": labels}
    said = read(split(payload)[0])
    assert isinstance(said, Alert)
    return said


CLUSTER = scene(
    pod("prometheus-k8s-0", "monitoring", owner="StatefulSet/prometheus-k8s"),
    pod("node-exporter-x7k2p", "monitoring", owner="DaemonSet/node-exporter", node="n1"),
    pod("kube-state-metrics-5d-q", "monitoring", owner="ReplicaSet/kube-state-metrics-5d"),
    pod("cilium-x7k2p", "kube-system", owner="DaemonSet/cilium", node="n1"),
    pod("coredns-1", "kube-system", owner="ReplicaSet/coredns"),
    pod("web-1", owner="StatefulSet/web", node="n2"),
    pod("db-1", owner="StatefulSet/db", node="n2"),
    *(pod(f"foo-{each}", owner="StatefulSet/foo", ready=each > 1, node="n1") for each in range(1, 4)),
)
NOTHING = UnclearTarget("the alert names no pod or workload that exists")
FLOWS = {"job": "hubble-metrics", "namespace": "kube-system", "pod": "cilium-x7k2p", "container": "cilium-agent"}


@pytest.mark.parametrize(
    "labels",
    [
        {"replica": "prometheus-k8s-0"},
        {"prometheus_replica": "prometheus-k8s-0", "prometheus": "monitoring/k8s"},
        {"__replica__": "prometheus-k8s-0"},
        {"prometheus": "monitoring/prometheus-k8s"},
    ],
)
def test_the_prometheus_that_evaluated_a_rule_is_not_what_its_alert_is_about(labels: dict[str, str]):
    assert who(sent("CoreDNSErrorsHigh", **labels), CLUSTER) == NOTHING


@pytest.mark.parametrize(
    ("labels", "pod_meant"),
    [
        ({"pod": "prometheus-k8s-0", "replica": "prometheus-k8s-0"}, "monitoring/prometheus-k8s-0"),
        ({"pod": "prometheus-k8s-0", "namespace": "monitoring"}, "monitoring/prometheus-k8s-0"),
        ({"member": "prometheus-k8s-0", "prometheus_replica": "prometheus-k8s-1"}, "monitoring/prometheus-k8s-0"),
        ({"replica": "db-1"}, "shop/db-1"),
        ({"instance": "web-1", "replica": "prometheus-k8s-0"}, "shop/web-1"),
    ],
)
def test_a_replica_that_another_label_names_or_that_is_no_prometheus_is_meant(labels: dict[str, str], pod_meant: str):
    said = who(sent("ReplicationErrors", **labels), CLUSTER)

    assert isinstance(said, ChosenTarget)
    assert str(said.target) == pod_meant


@pytest.mark.parametrize(
    "labels",
    [
        {"source": "reserved:host", "destination": "reserved:world"},
        {"source": "reserved:world", "destination_namespace": "db", "node": "n1"},
        {"source": "reserved:world", "destination_namespace": "kube-system"},
    ],
)
def test_an_agent_that_counted_flows_and_its_node_are_not_what_the_alert_is_about(labels: dict[str, str]):
    assert who(sent("HubbleDropsHigh", **FLOWS, **labels), CLUSTER) == NOTHING


@pytest.mark.parametrize("job", [FLOWS, {}])
def test_where_an_end_of_a_flow_is_gone_no_other_pod_of_the_agent_s_node_is_accused(job: dict[str, str]):
    said = who(sent("HubbleDropsHigh", **job, source="shop/gone-1", node="n1"), CLUSTER)

    assert said == UnclearTarget("no pod of the workload gone-1 is to be seen in namespace shop")


def test_an_end_of_a_flow_and_the_agent_itself_without_flows_are_meant():
    by_end = who(
        sent("HubbleDropsHigh", **FLOWS, source="reserved:world", destination="shop/web-1", node="n1"), CLUSTER
    )
    by_text = who(
        sent("HubbleDropsHigh", "drops of web-1", **FLOWS, source="reserved:world", destination_namespace="shop"),
        CLUSTER,
    )
    agent = who(sent("CiliumAgentErrors", **{**FLOWS, "job": "cilium-agent"}), CLUSTER)
    of_node = who(sent("NodeNetworkReceiveErrs", node="n1"), CLUSTER)

    said = [str(each.target) for each in (by_end, by_text, agent, of_node) if isinstance(each, ChosenTarget)]
    assert said == ["shop/web-1", "shop/web-1", "kube-system/cilium-x7k2p", "shop/foo-1"]


@pytest.mark.parametrize(
    "labels",
    [
        {"job": "kube-state-metrics", "container": "node-exporter", "namespace": "monitoring"},
        {"job": "kube-state-metrics", "container": "node-exporter", "service": "kube-state-metrics"},
        {"job": "kubelet", "container": "node-exporter", "namespace": "monitoring", "service": "kubelet"},
        {"job": "kubelet", "container": "node-exporter"},
        {"job": "integrations/kubernetes/cadvisor", "container": "node-exporter", "namespace": "monitoring"},
        {"job": "kubernetes-nodes-cadvisor", "container": "node-exporter", "namespace": "monitoring"},
    ],
)
def test_an_exporter_that_another_one_has_measured_is_meant(labels: dict[str, str]):
    said = who(sent("KubePodCrashLooping", pod="node-exporter-x7k2p", **labels), CLUSTER)

    assert isinstance(said, ChosenTarget)
    assert (str(said.target), said.why) == ("monitoring/node-exporter-x7k2p", "")


def test_an_exporter_is_meant_by_a_message_without_labels_where_another_one_has_measured():
    said = who(
        by_words("[FIRING:1] KubePodCrashLooping (node-exporter kube-state-metrics node-exporter-x7k2p)"), CLUSTER
    )

    assert isinstance(said, ChosenTarget)
    assert str(said.target) == "monitoring/node-exporter-x7k2p"


@pytest.mark.parametrize(
    "labels",
    [
        {"job": "kube-state-metrics", "pod": "kube-state-metrics-5d-q", "container": "kube-state-metrics"},
        {"job": "kubernetes-pods", "pod": "kube-state-metrics-5d-q", "container": "kube-state-metrics"},
        {"job": "node-exporter", "pod": "node-exporter-x7k2p", "container": "node-exporter"},
    ],
)
def test_an_exporter_that_has_measured_itself_is_still_not_meant(labels: dict[str, str]):
    said = who(sent("KubeHpaMaxedOut", namespace="monitoring", **labels), CLUSTER)

    assert said == UnclearTarget("the alert names only the exporter that measured it", (("monitoring", labels["pod"]),))


def over(one: Any) -> Any:
    return {**one, "status": {**one["status"], "phase": "Succeeded"}}


def test_where_all_pods_of_a_workload_are_over_none_is_chosen_and_that_is_said():
    one, two = over(pod("sync-1", owner="Job/sync")), over(pod("dump-1", owner="Job/dump"))
    there = scene(one, two, over(pod("dump-2", owner="Job/dump")), pod("copy-1", owner="Job/copy"))
    ended = UnclearTarget("no pod of the workload sync runs any more")

    assert who(about(SubjectKind.WORKLOAD, "sync"), there) == ended
    assert who(sent("BatchErrors", namespace="shop", batch="sync"), there) == ended
    assert who(sent("BatchErrors", namespace="shop", first="dump-1", second="dump-2"), there) == UnclearTarget(
        "no pod of the workload dump runs any more"
    )
    assert isinstance(who(about(SubjectKind.WORKLOAD, "copy"), there), ChosenTarget)


def test_a_single_successor_is_not_called_the_newest_of_several():
    there = scene(pod("web-7f-new01", owner="ReplicaSet/web-7f"))

    said = who(about(SubjectKind.POD, "web-7f-gone1"), there)

    assert isinstance(said, ChosenTarget)
    assert said.why.endswith("web-7f-new01 is a pod of the same workload: it is ready")


def test_several_ready_pods_of_a_node_are_counted():
    there = scene(pod("a", node="w2"), pod("b", node="w2"))

    said = who(about(SubjectKind.NODE, "w2", ""), there)

    assert isinstance(said, UnclearTarget)
    assert said.why == "no pod on node w2 fails: all 2 are ready"


def test_of_an_ingress_for_several_hosts_only_the_rules_of_the_alert_s_host_count():
    both = ingress("both", "web", host="a.example")
    both["spec"]["rules"] += ingress("both", "api", "web", host="b.example")["spec"]["rules"]
    pods = (pod("web-a", app="web"), pod("api-a", app="api"))
    there = scene(*pods, services=(service("web", app="web"), service("api", app="api")), ingresses=(both,))

    of_one, of_two, of_all = (
        who(alert(meant=(AlertSubject(SubjectKind.INGRESS, *name),)), there)
        for name in (("A.example",), ("b.example",), ("both", "shop"))
    )

    assert isinstance(of_one, ChosenTarget)
    assert of_one.target.pod == "web-a"
    assert isinstance(of_two, UnclearTarget)
    assert isinstance(of_all, UnclearTarget)
    assert of_two.why == "Ingress of the host b.example has 2 Services behind it"
    assert of_all.why == "Ingress shop/both has 2 Services behind it"


def test_a_host_with_the_exporter_s_port_comes_after_what_the_text_names():
    said = who(sent("ReplicationLag", "replica of web-1 lags", host="n1:9100"), CLUSTER)

    assert isinstance(said, ChosenTarget)
    assert str(said.target) == "shop/web-1"
    by_node = who(sent("ReplicationLag", "replica of web-1 lags", node="n1", host="n2:9100"), CLUSTER)
    assert isinstance(by_node, ChosenTarget)
    assert str(by_node.target) == "shop/foo-1"
