"""Objects and logs are recorded incidents (Kubernetes 1.36.2, CoreDNS 1.13.1). Further log lines keep the wording that
CoreDNS wrote in public reports: 1.6.7 (coredns/deployment#215, #225), 1.2.2 (kubeasz#355), 1.13 (coredns#7727), and
the errors plugin's manual; names and addresses are documentation ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.dns_coredns_health import (
    KINDS,
    SENSOR,
    CoreDns,
    DnsEvent,
    DnsService,
    DnsWorkload,
    Ending,
    Forward,
    LogFinding,
    Trouble,
    assemble,
    kills_in,
    look,
    parse_corefile,
    read_log,
    read_pod,
    read_workload,
)
from sensors.kit import Blind, Sight, Target, observe
from sensors.kit.kinds import DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
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
    assert found.workload == DnsWorkload("Deployment", "kube-system", "coredns", 1, 0, "26Mi", "coredns")
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

    assert (finding.trouble, finding.count) == (Trouble.NOT_READY, 1)
    assert finding.example == '[INFO] plugin/ready: Plugins not ready: "kubernetes"'


async def test_blind_when_neither_pods_service_nor_workload_can_be_read():
    evidence = await observe(SENSOR, WEB, FakeCluster())

    assert evidence.sight is Sight.BLIND
    assert evidence.why == "pods were not given; services were not given; endpointslices were not given"


async def test_absent_where_the_cluster_has_no_dns_server():
    evidence = await observe(SENSOR, WEB, FakeCluster(kinds=KINDS))

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


# -- logs ------------------------------------------------------------------------------------------------------------


def test_which_upstream_does_not_answer_for_which_names():
    found = read_log((CAPTURES / "coredns_upstream_down.log").read_text(), "coredns-1")

    told = [(each.trouble, each.upstream, each.count, each.names) for each in found]
    assert told == [
        (Trouble.LOOP_PROBE_UNANSWERED, "172.23.83.11:53", 1, ()),
        (Trouble.LOOP_PROBE_UNANSWERED, "172.23.83.12:53", 1, ()),
        (Trouble.UPSTREAM_TIMEOUT, "172.23.83.11:53", 3, ("api.example.com", "cdn.example.net")),
        (Trouble.UPSTREAM_REFUSED, "172.23.83.12:53", 1, ("cdn.example.net",)),
    ]


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (
            '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :1053) detected for zone ".", see https://coredns.io/plugins/'
            'loop#troubleshooting. Query: "HINFO 4547991504243258144.3688648895315093531."',
            Trouble.LOOP,
        ),
        (
            '2018/11/05 13:48:22 [FATAL] plugin/loop: Seen "HINFO IN 4849932600568443392.1730530029506169038." '
            "more than twice, loop detected",
            Trouble.LOOP,
        ),
        ("/etc/coredns/Corefile:3 - Error during parsing: Unknown directive '.'", Trouble.CONFIG_ERROR),
        (
            "plugin/forward: /etc/coredns/Corefile:14 - Error during parsing: Wrong argument count or unexpected line "
            "ending after '.'",
            Trouble.CONFIG_ERROR,
        ),
        ("loading Caddyfile via flag: open /etc/coredns/Corefile: no such file or directory", Trouble.CONFIG_ERROR),
        ('[INFO] plugin/ready: Still waiting on: "kubernetes"', Trouble.NOT_READY),
        ('[INFO] plugin/ready: Plugins not ready: "kubernetes"', Trouble.NOT_READY),
        ("[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server", Trouble.API_UNREACHABLE),
        ("[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API", Trouble.API_UNREACHABLE),
        (
            '[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.Namespace: Get "https://10.96.0.1:443/api/v1/'
            'namespaces?limit=500&resourceVersion=0": dial tcp 10.96.0.1:443: i/o timeout',
            Trouble.API_UNREACHABLE,
        ),
        (
            "[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.EndpointSlice: "
            'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:kube-system:coredns" '
            "cannot list resource",
            Trouble.API_FORBIDDEN,
        ),
        ("panic: runtime error: invalid memory address or nil pointer dereference", Trouble.PANIC),
        (
            "[ERROR] plugin/errors: 2 www.example.com. A: concurrent queries exceeded maximum 1000",
            Trouble.OVERLOADED,
        ),
        ("[ERROR] plugin/errors: 2 www.example.com. A: no healthy upstreams", Trouble.UPSTREAM_ERROR),
    ],
)
def test_every_kind_of_trouble_is_known_by_coredns_s_own_words(line, trouble):
    (found,) = read_log(f"[INFO] 127.0.0.1:1 - 1 NOERROR\n{line}\n", "coredns-1")

    assert found.trouble is trouble


def test_a_corefile_error_names_its_line():
    line = "/etc/coredns/Corefile:3 - Error during parsing: Unknown directive '.'"

    assert read_log(line, "coredns-1", previous=True) == (
        LogFinding(Trouble.CONFIG_ERROR, "coredns-1", previous=True, count=1, example=line, config_line=3),
    )


def test_errors_that_coredns_itself_counted_keep_their_count():
    line = "[ERROR] plugin/errors: 17 errors like '^read udp .* i/o timeout$' occurred in last 30s"

    assert [(each.trouble, each.count) for each in read_log(line, "c")] == [(Trouble.UPSTREAM_TIMEOUT, 17)]


def test_an_answered_query_for_a_name_with_telling_words_is_no_trouble():
    line = '[INFO] 10.0.0.9:1 - 1 "A IN panic.loop.example.com. udp 41 false 512" NXDOMAIN qr,rd,ra 41 0.002s'

    assert read_log(line, "c") == ()


# -- Corefile --------------------------------------------------------------------------------------------------------

# the Corefile of kubeadm 1.31 with a stub domain and a rewrite
COREFILE = """\
(common) {
    errors
}
corp.example:53 {
    import common
    forward . 10.1.2.3 10.1.2.4:5353   # the office
}
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    rewrite name old.example.com new.shop.svc.cluster.local
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
    }
    loop
    reload
}
"""


def test_a_corefile_is_read_by_server_block():
    found = parse_corefile(COREFILE, "kube-system/coredns")

    assert found.zones == ("corp.example:53", ".:53")
    assert found.cluster_zones == ("cluster.local",)
    assert found.forwards == (Forward(".", ("10.1.2.3", "10.1.2.4:5353")), Forward(".", ("/etc/resolv.conf",)))
    assert (found.cache_seconds, "loop" in found.plugins, "ttl" in found.plugins) == (30, True, False)
    assert found.rewrites == ("rewrite name old.example.com new.shop.svc.cluster.local",)


@pytest.mark.parametrize("text", ["", "# nothing\n", "}}}", "forward . 1.1.1.1\n"])
def test_blind_on_a_corefile_without_a_server_block(text):
    with pytest.raises(Blind, match="no server block"):
        parse_corefile(text)


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
