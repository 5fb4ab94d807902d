"""Recorded with kubectl 1.36 on Kubernetes 1.36.2; log lines are curl 7.88's and busybox httpd's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sensors.k8s_pod import SENSOR, LogTrouble
from sensors.kit.kinds import EVENT, KINDS, NAMESPACE, POD, REPLICA_SET
from sensors.kit.model import Sight, Target
from sensors.kit.objects import Ref
from sensors.kit.observe import observe
from tests.kit.build import event, namespace, pod
from tests.kit.cases import CASES, case, look_at, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

WEB = Target("web-1", "shop")


async def test_a_recorded_pod_is_described_with_its_workload_its_age_and_its_errors() -> None:
    facts = await look_at(SENSOR, "web-to-catalog")

    assert (facts.phase, facts.ready, facts.node) == ("Running", True, "lab1")
    assert facts.workload == Ref("Deployment", "store", "web")
    assert facts.namespace_labels == {"kubernetes.io/metadata.name": "store"}
    assert facts.age_s == pytest.approx(23, abs=3)
    error = facts.log_errors[0]
    assert (error.trouble, error.code, error.host, error.port, error.count) == (
        LogTrouble.CONNECT,
        7,
        "catalog",
        80,
        13,
    )
    assert error.time == datetime(2026, 11, 23, 21, 12, 51, tzinfo=UTC)
    assert facts.log_hosts == ("catalog",)
    assert facts.unread == ()


async def test_a_pod_that_waits_for_its_network_is_pending_with_the_reason_and_its_log_is_named_as_unread() -> None:
    facts = await look_at(SENSOR, "batch-new-worker")

    assert (facts.phase, facts.ready, facts.ips) == ("Pending", False, ())
    assert [(each.state, each.waiting_reason) for each in facts.containers] == [("waiting", "ContainerCreating")]
    assert facts.log_errors == ()
    assert [each.partition(":")[0] for each in facts.unread] == ["log of batch-extra"]


async def test_an_http_error_that_curl_reports_is_an_http_error_not_a_network_one() -> None:
    facts = await look_at(SENSOR, "cart-to-coupons")

    assert (facts.log_errors[0].trouble, facts.log_errors[0].code) == (LogTrouble.HTTP, 500)


async def test_events_about_the_pod_are_folded_and_those_of_others_left_out() -> None:
    told = [event("Pod", "shop", "web-1", "BackOff", "back-off", count=3), event("Pod", "shop", "other", "X", "y")]
    told += [event("Pod", "shop", "web-1", "BackOff", "back-off")]
    cluster = FakeCluster([pod("shop", "web-1"), *told], kinds=KINDS)

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert [(each.reason, each.count) for each in facts.events] == [("BackOff", 4)]


async def test_a_crash_shows_restarts_the_last_reason_and_the_exit_code() -> None:
    crashing = pod("shop", "web-1", ready=False)
    crashing["status"]["containerStatuses"] = [
        {
            "name": "app",
            "ready": False,
            "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }
    ]

    facts = (await observe(SENSOR, WEB, FakeCluster([crashing], kinds=KINDS))).facts

    app = facts.containers[0]
    assert (app.restarts, app.waiting_reason, app.last_terminated_reason, app.exit_code) == (
        4,
        "CrashLoopBackOff",
        "OOMKilled",
        137,
    )
    assert facts.summary() == "shop/web-1 is Running, not ready CrashLoopBackOff, on node-a, 4 restarts"


async def test_the_log_of_an_init_container_that_does_not_get_done_is_read_and_no_other() -> None:
    starting = pod("shop", "web-1", ready=False, phase="Pending")
    starting["spec"]["initContainers"] = [{"name": "setup"}, {"name": "migrate"}, {"name": "later"}]
    starting["status"]["initContainerStatuses"] = [
        {"name": "setup", "ready": True, "state": {"terminated": {"exitCode": 0}}},
        {
            "name": "migrate",
            "ready": False,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
        },
        {"name": "later", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}},
    ]
    logs = {"shop/web-1/migrate": "dial tcp 10.0.0.7:5432: connect: connection refused\n"}

    facts = (await observe(SENSOR, WEB, FakeCluster([starting], kinds=KINDS, logs=logs))).facts

    assert [(each.container, each.host, each.port) for each in facts.log_errors] == [("migrate", "10.0.0.7", 5432)]
    assert not any(why.startswith(("log of setup", "log of later")) for why in facts.unread)
    assert facts.log_unread


async def test_a_pod_that_no_node_takes_shows_the_schedulers_words() -> None:
    homeless = pod("shop", "web-1", node="", ip="", ready=None, phase="Pending")
    homeless["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}
    ]

    facts = (await observe(SENSOR, WEB, FakeCluster([homeless], kinds=KINDS))).facts

    assert facts.scheduling == "Unschedulable: 0/2 nodes are available"


async def test_dns_settings_of_the_pod_are_read_as_written() -> None:
    dns = {"nameservers": ["8.8.8.8"], "searches": ["corp"], "options": [{"name": "ndots", "value": "2"}]}
    own = pod("shop", "web-1", dnsPolicy="None", dnsConfig=dns, hostNetwork=True)

    facts = (await observe(SENSOR, WEB, FakeCluster([own], kinds=KINDS))).facts

    assert (facts.dns_policy, facts.dns_nameservers, facts.dns_searches) == ("None", ("8.8.8.8",), ("corp",))
    assert facts.dns_options == (("ndots", "2"),)
    assert facts.host_network


async def test_kernel_settings_of_the_pod_are_read_as_written() -> None:
    asked = {"sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "32000 32003"}, {"value": "no name"}]}
    own = pod("shop", "web-1", securityContext=asked)

    facts = (await observe(SENSOR, WEB, FakeCluster([own], kinds=KINDS))).facts

    assert facts.sysctls == (("net.ipv4.ip_local_port_range", "32000 32003"),)


async def test_a_pod_that_does_not_exist_is_absent_with_the_nearest_name() -> None:
    evidence = await observe(SENSOR, Target("wep-1", "shop"), FakeCluster([pod("shop", "web-1")], kinds=KINDS))

    assert evidence.sight is Sight.ABSENT
    assert evidence.why == "no pod wep-1 in namespace shop; did you mean 'web-1'?"


async def test_a_pod_of_another_namespace_is_absent_and_the_namespace_is_named() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster([pod("store", "web-1")], kinds=KINDS))

    assert (evidence.sight, evidence.why) == (Sight.ABSENT, "no pod web-1 in namespace shop; there is one in store")


async def test_without_pods_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, WEB, FakeCluster(blind={"pods": "pods is forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "pods is forbidden")


async def test_what_else_is_missing_is_named_and_is_not_calm() -> None:
    facts = (await observe(SENSOR, WEB, FakeCluster([pod("shop", "web-1")], kinds=[POD]))).facts

    assert facts.namespace_labels is None
    missing = {each.partition(":")[0] for each in facts.unread}
    assert missing == {EVENT.plural, NAMESPACE.plural, REPLICA_SET.plural, "log of app"}


async def test_secrets_in_a_log_do_not_reach_the_facts() -> None:
    log = '2026-11-23T21:00:00Z level=error msg="401" url=http://bob:hunter2@db/ Authorization: Bearer abcdef123456'
    cluster = FakeCluster([pod("shop", "web-1"), namespace("shop")], kinds=KINDS, logs={"shop/web-1/app": log})

    facts = (await observe(SENSOR, WEB, cluster)).facts

    assert "hunter2" not in repr(facts)
    assert "abcdef123456" not in repr(facts)
    assert facts.log_hosts == ("db",)


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("portal-to-profile")
    cluster = FakeCluster(spoiled(real_objects(CASES / "portal-to-profile"), seed), kinds=KINDS)

    evidence = await observe(SENSOR, target_of(recorded), cluster)

    assert "the sensor failed" not in evidence.why
    assert evidence.summary
