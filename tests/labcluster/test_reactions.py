"""What is no policy reacts, too: Services, pods and CoreDNS follow the change, and the traffic follows them."""

from __future__ import annotations

import pytest

from sensors.kit.cluster import Dial
from tests.labcluster.desk import MERGE_PATCH, apply, ask, attempts, patch, path_of, probe, recorded_diagnosis, running


@pytest.mark.parametrize(
    ("case", "before", "slices"),
    [
        ("web-to-catalog", "unreachable", "store"),
        ("mobile-to-gateway", "refused", "mobile"),
        ("frontend-to-backend", "unresolved", "kube-system"),
    ],
)
async def test_the_fix_of_a_service_or_of_coredns_brings_the_traffic_back(case, before, slices):
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab:
        first = await attempts(lab, 5)
        known = lab.store.version

        statuses = await apply(lab, "alice", fix)
        await lab.advance(8)
        after = await attempts(lab, 5)
        changed = [each for each in lab.store.since(known) if each.resource.kind == "EndpointSlice"]

    assert statuses == [200]
    assert first == [before] * 5
    assert after == ["open"] * 5
    assert {each.thing["metadata"]["namespace"] for each in changed} == {slices}


PROBE_PATH = "/spec/template/spec/containers/0/readinessProbe/httpGet/path"
PROFILE = path_of("Deployment", "accounts", "profile")


async def test_a_readiness_probe_that_answers_makes_new_pods_ready():
    async with running("portal-to-profile") as lab:
        reply = await patch(lab, "alice", PROFILE, [{"op": "replace", "path": PROBE_PATH, "value": "/"}])
        await lab.advance(8)
        after = await attempts(lab, 5)
        pods = (await ask(lab, "bob", "GET", "/api/v1/namespaces/accounts/pods?labelSelector=app=profile")).body
        deployment = (await ask(lab, "bob", "GET", PROFILE)).body

    assert reply.status == 200
    assert after == ["open"] * 5
    assert len(pods["items"]) == 1
    assert pods["items"][0]["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert (deployment["status"]["readyReplicas"], deployment["status"]["observedGeneration"]) == (1, 2)


async def test_a_readiness_probe_nobody_knows_leaves_the_pods_unready_and_says_why():
    async with running("portal-to-profile") as lab:
        await patch(lab, "alice", PROFILE, [{"op": "replace", "path": PROBE_PATH, "value": "/other"}])
        await lab.advance(8)
        after = await attempts(lab, 5)

    assert after == ["unreachable"] * 5
    assert ["is not known here" in each for each in lab.controllers.doubts] == [True]


async def test_a_little_more_memory_is_not_enough():
    limits = [{"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "30Mi"}]
    async with running("frontend-to-backend") as lab:
        reply = await patch(lab, "alice", path_of("Deployment", "kube-system", "coredns"), limits)
        await lab.advance(10)
        after = await attempts(lab, 3)

    assert reply.status == 200
    assert after == ["unresolved"] * 3
    assert [each.split(": ", 1)[1].partition(":")[0] for each in lab.controllers.doubts] == ["OOMKilled"]


async def test_a_wrong_selector_takes_the_endpoints_away_again():
    path = path_of("Service", "store", "catalog")
    async with running("web-to-catalog") as lab:
        for name, expected in (("catalog", "open"), ("nobody", "unreachable")):
            await ask(lab, "alice", "PATCH", path, {"spec": {"selector": {"app": name}}}, MERGE_PATCH)
            await lab.advance(3)

            assert set(await attempts(lab, 3)) == {expected}


async def test_the_lab_s_probe_refuses_what_the_real_one_refuses():
    async with running("web-to-catalog") as lab:
        doors = (Dial("169.254.169.254", 80), Dial("10.244.1.162", 8080))
        answer = await probe(lab, "store", lab.target.pod, connects=doors, path_mtu=("169.254.169.254",))

    never = "169.254.169.254 is a metadata address: never probed"
    assert [each.host for each in answer.connects] == ["10.244.1.162"]
    assert (answer.path_mtu, answer.errors["connects/169.254.169.254:80"]) == ((), never)
    assert answer.errors["path_mtu/169.254.169.254"] == never


async def test_the_lab_s_network_answers_a_dns_question_and_nothing_else_over_udp():
    async with running("web-to-catalog") as lab:
        resolver = next(each for each in lab.dataplane.of_kind("Service") if each["metadata"]["name"] == "kube-dns")
        address = resolver["spec"]["clusterIP"]
        doors = (Dial(address, 53, "udp", "dns"), Dial(address, 53, "udp"))
        answer = await probe(lab, "store", lab.target.pod, connects=doors)

    assert [(each.protocol, each.result, each.ask) for each in answer.connects] == [
        ("udp", "open", "dns"),
        ("udp", "sent", None),
    ]


async def test_the_pod_sees_the_same_as_its_traffic():
    async with running("web-to-catalog") as lab:
        doors = {"connects": (Dial("catalog", 80), Dial("10.96.12.139", 80), Dial("10.244.1.162", 8080))}
        before = await probe(lab, "store", lab.target.pod, **doors)
        await apply(lab, "alice", (await recorded_diagnosis("web-to-catalog")).fix)
        await lab.advance(3)
        after = await probe(lab, "store", lab.target.pod, **doors)

    said = [
        [(each.host, each.address, each.result, each.errno) for each in answer.connects] for answer in (before, after)
    ]
    assert said == [
        [
            ("catalog", "10.96.12.139", "unreachable", "EPERM"),
            ("10.96.12.139", None, "unreachable", "EPERM"),
            ("10.244.1.162", None, "open", None),
        ],
        [
            ("catalog", "10.96.12.139", "open", None),
            ("10.96.12.139", None, "open", None),
            ("10.244.1.162", None, "open", None),
        ],
    ]


@pytest.mark.parametrize(("port", "expected"), [(9090, "refused"), (8080, "open")])
async def test_a_target_port_helps_only_where_something_listens(port, expected):
    change = [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": port}]
    async with running("mobile-to-gateway") as lab:
        reply = await patch(lab, "alice", path_of("Service", "mobile", "gateway"), change)
        await lab.advance(3)
        after = await attempts(lab, 5)

    assert reply.status == 200
    assert set(after) == {expected}


async def test_a_lab_is_written_out_as_its_place():
    async with running("search-to-index") as lab:
        assert repr(lab) == f"LabCluster({lab.url})"
