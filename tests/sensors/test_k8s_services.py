"""Recorded with kubectl 1.36 on Kubernetes 1.36.2."""

from __future__ import annotations

from typing import Any

import pytest

from sensors.k8s_services import SENSOR, LabelMiss, ServicePort, Services
from sensors.kit.kinds import KINDS, SERVICE
from sensors.kit.model import Sight, Target
from sensors.kit.objects import Ref
from sensors.kit.observe import observe
from sensors.topology.peer import AskedKind
from tests.kit.build import Json, endpoint, endpoint_slice, event, namespace, node, pod, service
from tests.kit.cases import CASES, case, look_at, target_of
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

TO_API = Target("web-1", "shop", "api", 80)


async def seen(*objects: Json, target: Target = TO_API, **settings: Any) -> Services:
    evidence = await observe(SENSOR, target, FakeCluster(objects, kinds=KINDS, **settings))
    assert isinstance(evidence.facts, Services), evidence.why
    return evidence.facts


async def test_a_selector_that_matches_nothing_shows_the_label_that_differs() -> None:
    facts = await look_at(SENSOR, "web-to-catalog")

    catalog = facts.asked_service
    assert catalog.endpoints == ()
    assert catalog.matching_pods == ()
    assert catalog.near_misses[0] == LabelMiss(
        Ref("Deployment", "store", "catalog"), 1, "app", "catalogue", "catalog", 1, 1, True
    )
    assert facts.summary() == (
        "Service store/catalog (80→8080/TCP): 0 of 0 endpoints ready; the selector wants app=catalogue, "
        "the pods of Deployment store/catalog have app=catalog"
    )


async def test_pods_that_are_not_ready_say_why_in_the_probes_own_words() -> None:
    facts = await look_at(SENSOR, "portal-to-profile")

    profile = facts.asked_service
    assert [(each.ip, each.ready) for each in profile.endpoints] == [("10.244.1.54", False)]
    assert [(each.ready, each.why) for each in profile.matching_pods] == [
        (False, "Readiness probe failed: HTTP probe failed with statuscode: 404")
    ]
    assert profile.near_misses == ()


async def test_a_backend_on_a_lost_node_names_the_node() -> None:
    facts = await look_at(SENSOR, "planner-to-roster")

    assert [each.why for each in facts.asked_service.matching_pods] == [
        "its node lab2 is not ready (NodeStatusUnknown)"
    ]


async def test_the_real_port_of_each_endpoint_and_what_the_pods_declare_stand_side_by_side() -> None:
    facts = await look_at(SENSOR, "mobile-to-gateway")

    gateway = facts.asked_service
    assert gateway.ports == (ServicePort("http", "TCP", 80, 8081, None, ""),)
    assert [each.ports for each in gateway.endpoints] == [(("http", 8081, "TCP"),)]
    assert [(each.declared, each.targets) for each in gateway.matching_pods] == [
        ((("", 8080, "TCP"),), (("http", 8081),))
    ]


async def test_dns_and_the_api_server_are_always_among_the_services() -> None:
    facts = await look_at(SENSOR, "web-to-catalog")

    assert [str(each.ref) for each in facts.services] == [
        "Service store/catalog",
        "Service default/kubernetes",
        "Service kube-system/kube-dns",
    ]
    assert facts.by_ip["10.96.0.10"] == Ref("Service", "kube-system", "kube-dns")


async def test_a_service_in_a_namespace_that_does_not_exist_is_found_elsewhere() -> None:
    facts = await look_at(SENSOR, "notify-to-mailer")

    assert facts.asked.kind is AskedKind.UNKNOWN_NAMESPACE
    assert facts.asked.elsewhere == (Ref("Service", "mail", "mailer"),)
    assert facts.asked_service is None


async def test_a_named_target_port_is_looked_up_on_each_pod() -> None:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    facts = await seen(
        service("shop", "api", selector={"app": "api"}, ports=ports),
        pod("shop", "api-1", labels={"app": "api"}, ports=[{"name": "web", "containerPort": 9090}]),
        pod("shop", "api-2", labels={"app": "api"}, ports=[{"name": "web", "containerPort": 9090, "protocol": "UDP"}]),
    )

    assert facts.asked_service is not None
    backends = facts.asked_service.matching_pods or ()
    assert [(each.pod, each.targets) for each in backends] == [
        ("api-1", (("http", 9090),)),
        ("api-2", (("http", None),)),
    ]


async def test_an_endpoint_without_conditions_counts_as_ready_and_a_leaving_one_does_not() -> None:
    leaving = {**endpoint("10.0.0.3"), "conditions": {"ready": False, "serving": True, "terminating": True}}
    facts = await seen(
        service("shop", "api", selector={"app": "api"}),
        endpoint_slice("shop", "api", endpoint("10.0.0.2", ready=None, pod="api-1", node="node-a"), leaving),
    )

    assert facts.asked_service is not None
    found = [(each.ip, each.ready, each.serving, each.terminating) for each in facts.asked_service.endpoints or ()]
    assert found == [("10.0.0.2", True, True, False), ("10.0.0.3", False, True, True)]


async def test_a_service_without_selector_matches_no_pod_and_misses_none() -> None:
    facts = await seen(service("shop", "api"), pod("shop", "api-1", labels={"app": "api"}))

    assert facts.asked_service is not None
    assert (facts.asked_service.matching_pods, facts.asked_service.near_misses) == ((), ())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"metadata": {"deletionTimestamp": "2026-11-23T20:59:00Z"}}, "it is being deleted"),
        (
            {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]}},
            "not scheduled: 0/2 nodes",
        ),
        (
            {
                "status": {
                    "containerStatuses": [
                        {
                            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                            "lastState": {"terminated": {"reason": "Error"}},
                        }
                    ]
                }
            },
            "CrashLoopBackOff, back-off, last ended Error",
        ),
        ({"status": {"conditions": [{"type": "Ready", "status": "False", "message": "gate"}]}}, "Ready: gate"),
        ({}, "no reason given"),
    ],
)
async def test_the_most_telling_reason_wins(change: dict[str, Json], why: str) -> None:
    backend = pod("shop", "api-1", labels={"app": "api"}, ready=None)
    for part, more in change.items():
        backend[part] = {**backend[part], **more}

    facts = await seen(service("shop", "api", selector={"app": "api"}), backend, node("node-a"))

    assert facts.asked_service is not None
    assert [each.why for each in facts.asked_service.matching_pods or ()] == [why]


async def test_a_benign_dns_warning_is_not_the_reason() -> None:
    facts = await seen(
        service("shop", "api", selector={"app": "api"}),
        pod("shop", "api-1", labels={"app": "api"}, ready=False),
        event("Pod", "shop", "api-1", "DNSConfigForming", "Nameserver limits were exceeded"),
    )

    assert facts.asked_service is not None
    assert [each.why for each in facts.asked_service.matching_pods or ()] == ["Ready: False"]


async def test_finished_pods_are_no_backends() -> None:
    facts = await seen(
        service("shop", "api", selector={"app": "api"}),
        pod("shop", "job-1", labels={"app": "api"}, phase="Succeeded", ready=False),
    )

    assert facts.asked_service is not None
    assert facts.asked_service.matching_pods == ()


async def test_unreadable_slices_and_pods_are_unknown_not_empty() -> None:
    facts = await seen(
        service("shop", "api", selector={"app": "api"}), blind={"endpointslices": "forbidden", "pods": "forbidden"}
    )

    assert facts.asked_service is not None
    assert facts.asked_service.endpoints is None
    assert facts.asked_service.ready_endpoints is None
    assert facts.asked_service.matching_pods is None
    assert facts.asked_service.near_misses == ()
    assert set(facts.unread) == {"endpointslices: forbidden", "pods: forbidden"}
    assert facts.summary() == "Service shop/api (80→8080/TCP): its endpoints could not be read"


async def test_a_question_without_a_peer_still_describes_the_namespace() -> None:
    facts = await seen(service("shop", "api"), service("bank", "ledger"), target=Target("web-1", "shop"))

    assert facts.asked is None
    assert [str(each.ref) for each in facts.services] == ["Service shop/api"]
    assert facts.summary() == "1 Service nearby; the question names no peer"


async def test_without_services_the_sensor_is_blind() -> None:
    evidence = await observe(SENSOR, TO_API, FakeCluster([namespace("shop")], blind={SERVICE.plural: "forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "forbidden")


@pytest.mark.parametrize("seed", range(20))
async def test_junk_objects_never_break_the_sensor(seed: int) -> None:
    recorded = case("portal-to-profile")
    cluster = FakeCluster(spoiled(real_objects(CASES / "portal-to-profile"), seed), kinds=KINDS)

    evidence = await observe(SENSOR, target_of(recorded), cluster)

    assert evidence.sight is Sight.SEEN, evidence.why
    assert evidence.summary


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({"ipFamilies": ["IPv6", "IPv4"]}, (6, 4)),
        ({"clusterIPs": ["10.96.0.80", "fd00::80"]}, (4, 6)),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, ()),
        ({"ipFamilies": ["IPX"], "clusterIP": "None", "clusterIPs": ["None"]}, ()),
    ],
)
async def test_the_families_of_a_service_are_those_it_says_or_those_of_its_addresses(
    spec: Json, families: tuple[int, ...]
) -> None:
    api = service("shop", "api", ip="10.96.0.80")
    facts = await seen({**api, "spec": {**api["spec"], **spec}}, pod("shop", "web-1"))

    assert facts.asked_service is not None
    assert facts.asked_service.families == families
