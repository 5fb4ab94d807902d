"""Objects and logs are recorded incidents (Kubernetes 1.36.2, CoreDNS 1.13.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.dns_coredns_health import (
    COREDNS_KINDS,
    SENSOR,
    CoreDns,
    CoreDnsTrouble,
    DnsEvent,
    DnsService,
    DnsWorkload,
    Ending,
    Forward,
    assemble,
    kills_in,
    look,
)
from sensors.kit import Sight, Target, observe
from sensors.kit.kinds import DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from sensors.topology.dns_servers import read_pod, read_workload
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
CAPTURES = Path(__file__).parents[1] / "captures" / "net"
WEB = Target("web", "shop")
LABELS = {"k8s-app": "kube-dns"}


async def seen(case: str) -> CoreDns:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


async def test_a_dns_server_killed_for_memory_is_seen_with_its_limit_and_the_kernel_s_word():
    found = await seen("frontend-to-backend")

    (pod,) = found.oom_killed
    assert (pod.restarts, pod.ready, pod.crash_loops, pod.memory_limit, pod.node) == (2, False, True, "26Mi", "lab1")
    assert pod.last_ending == Ending("OOMKilled", 137, datetime(2026, 11, 23, 21, 24, 37, tzinfo=UTC))
    assert found.workload == DnsWorkload("Deployment", "kube-system", "coredns", 1, 0, "26Mi", "coredns", "Recreate")
    assert found.service == DnsService("kube-system", "kube-dns", ("10.96.0.10",), LABELS, 1, 0, 1, (53,))
    kill = found.events[0]
    assert (kill.source, kill.about, kill.reason, kill.count) == ("kernel", "Node lab1", "OOMKilled", 2)
    assert kill.at == datetime(2026, 11, 23, 21, 24, 37, 686032, tzinfo=UTC)
    assert found.summary() == (
        "Deployment kube-system/coredns: 0 of 1 pods ready, 2 restarts, last ended by OOMKilled; "
        "10.96.0.10 has 0 ready endpoints"
    )


async def test_a_log_that_the_runtime_no_longer_has_is_unread_and_not_calm():
    found = await seen("frontend-to-backend")

    (why,) = found.unread
    assert why.startswith("log of coredns-54c9f98898-rskw9 before its restart: unable to retrieve container logs")


async def test_a_dns_server_on_a_dead_node_says_so():
    found = await seen("planner-to-roster")

    assert [(each.node, each.node_ready, each.ready) for each in found.pods] == [("lab2", False, False)]
    assert found.service.ready_endpoints == 0
    assert "on node lab2 which is not ready" in found.summary()


async def test_a_healthy_dns_server_has_no_trouble_in_its_log():
    found = await seen("search-to-index")

    assert (found.ready_pods, found.log, found.events, found.unread) == (1, (), (), ())
    assert (found.service.ready_endpoints, found.node_local) == (1, None)
    assert found.corefile.forwards == (Forward(".", ("172.30.0.100",)),)
    assert (found.corefile.cluster_zones, found.corefile.cache_seconds) == (("cluster.local",), 30)
    assert "loop" not in found.corefile.plugins


async def test_not_ready_at_the_start_is_kept_with_its_wording():
    (finding,) = (await seen("edge-to-sessions")).log

    assert (finding.trouble, finding.count) == (CoreDnsTrouble.NOT_READY, 1)
    assert finding.example == '[INFO] plugin/ready: Plugins not ready: "kubernetes"'


async def test_blind_when_neither_pods_service_nor_workload_can_be_read():
    evidence = await observe(SENSOR, WEB, FakeCluster())

    assert evidence.sight is Sight.BLIND
    assert evidence.why == "pods were not given; services were not given; endpointslices were not given"


async def test_absent_where_the_cluster_has_no_dns_server():
    evidence = await observe(SENSOR, WEB, FakeCluster(kinds=COREDNS_KINDS))

    assert (evidence.sight, evidence.why) == (
        Sight.ABSENT,
        "there is no CoreDNS or kube-dns in kube-system or openshift-dns",
    )


def pod(name="coredns-1", labels=LABELS, **status):
    meta = {"name": name, "namespace": "kube-system", "labels": labels}
    spec = {"nodeName": "n1", "containers": [{"name": "coredns", "image": "coredns:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def service(selector=LABELS, name="kube-dns", port=53):
    meta = {"name": name, "namespace": "kube-system", "labels": LABELS}
    spec = {"clusterIP": "10.96.0.10", "selector": selector, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


async def test_a_missing_log_and_missing_kinds_are_named_and_do_not_blind_it():
    found = await look(WEB, FakeCluster([pod()]))

    assert [each.name for each in found.pods] == ["coredns-1"]
    assert found.service is None
    assert found.unread[-1] == "log of coredns-1: kube-system/coredns-1/coredns was not given"
    assert "services were not given" in found.unread


def test_a_selector_that_misses_the_dns_pods_is_told_from_pods_nobody_could_read():
    missed = assemble({POD: (pod(),), SERVICE: (service({"k8s-app": "kube-dsn"}),), ENDPOINT_SLICE: ()})
    unread = assemble({SERVICE: (service(),)})

    assert (missed.service.matching_pods, missed.service.selector_misses) == (0, True)
    assert (missed.service.ready_endpoints, missed.service.endpoints) == (0, 0)
    assert (unread.service.matching_pods, unread.service.selector_misses) == (None, False)
    assert unread.service.ready_endpoints is None


def test_a_metrics_service_is_not_the_dns_service():
    found = assemble({SERVICE: (service(name="coredns-metrics", port=9153), service(name="coredns"))})

    assert found.service.name == "coredns"


def test_an_endpoint_with_an_unset_condition_counts_as_ready_and_two_slices_do_not_count_twice():
    slices = tuple(
        {
            "metadata": {"namespace": "kube-system", "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "endpoints": [{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.3"], "conditions": {"ready": False}}],
        }
        for _ in range(2)
    )

    found = assemble({SERVICE: (service(),), ENDPOINT_SLICE: slices}).service

    assert (found.ready_endpoints, found.endpoints) == (1, 2)


def test_a_node_local_cache_is_not_taken_for_the_dns_servers():
    template = {"metadata": {"labels": {"k8s-app": "node-local-dns"}}, "spec": {"containers": [{"name": "node-cache"}]}}
    local = {
        "kind": "DaemonSet",
        "metadata": {"name": "node-local-dns", "namespace": "kube-system"},
        "spec": {"template": template},
        "status": {"desiredNumberScheduled": 3, "numberReady": 2},
    }

    found = assemble({DAEMON_SET: (local,), POD: (pod(labels={"k8s-app": "node-local-dns"}),)})

    assert (found.workload, found.pods) == (None, ())
    assert found.node_local == DnsWorkload("DaemonSet", "kube-system", "node-local-dns", 3, 2, None, "node-cache")


def test_a_pod_that_no_node_takes_says_why():
    waiting = pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}])

    assert read_pod(waiting, None).unscheduled == "0/3 nodes are available"


def test_an_evicted_pod_is_no_dns_server_any_more():
    assert assemble({POD: (pod(phase="Failed"), pod("coredns-2", phase="Running"))}).pods[0].name == "coredns-2"


def test_a_container_that_has_just_ended_counts_before_its_ending_of_last_time():
    states = {
        "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
    }

    found = read_pod(pod(containerStatuses=[{"name": "coredns", **states}]), None)

    assert found.last_ending == Ending("OOMKilled", 137, None)


def test_oomkilled_needs_no_exit_code_137():
    status = {"name": "coredns", "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 0}}}

    found = read_pod(pod(containerStatuses=[status]), None)

    assert found.was_oom_killed
    assert found.last_ending == Ending("OOMKilled", 0, None)


def test_a_deployment_s_memory_limit_is_that_of_the_container_that_answers():
    containers = [
        {"name": "sidecar", "resources": {"limits": {"memory": "1Gi"}}},
        {"name": "coredns", "resources": {"limits": {"memory": "170Mi"}}},
    ]
    deployment = {"kind": "Deployment", "spec": {"replicas": 2, "template": {"spec": {"containers": containers}}}}

    found = read_workload(deployment)

    assert (found.memory_limit, found.container, found.desired, found.ready) == ("170Mi", "coredns", 2, 0)


# -- kills -------------------------------------------------------------------------------------------------------------


def test_the_kernel_s_kills_of_other_programs_are_not_the_dns_server_s():
    other = "2026-11-23T21:24:23,032871+00:00 Memory cgroup out of memory: Killed process 1 (java) total-vm:1kB"
    ours = other.replace("java", "coredns")

    assert kills_in(other, "n1") is None
    assert kills_in(ours, "n1") == DnsEvent(
        datetime(2026, 11, 23, 21, 24, 23, 32871, tzinfo=UTC), "kernel", "Node n1", "OOMKilled", ours
    )


@pytest.mark.parametrize("seed", range(25))
async def test_spoiled_objects_never_crash_it(seed):
    objects = spoiled(real_objects(FOLDER / "frontend-to-backend"), seed, share=0.1)

    evidence = await observe(SENSOR, WEB, FakeCluster(objects, kinds=[POD, SERVICE, DEPLOYMENT, DAEMON_SET]))

    assert "the sensor failed" not in evidence.why
    assert evidence.sight in (Sight.SEEN, Sight.ABSENT)
