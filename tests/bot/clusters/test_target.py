from __future__ import annotations

from time import process_time
from typing import Any

import pytest

from bot.clusters.target import Listing, NoSuchPod, Resolved, resolve, resolve_among
from sensors.kit.kinds import KINDS
from sensors.kit.model import Blind, Target
from tests.kit.build import Json, namespace, pod
from tests.kit.cases import case
from tests.kit.fakes import FakeCluster


def web(name: str, **more: Any) -> Json:
    hashed = {"pod-template-hash": "7d"}
    return pod("shop", f"web-7d-{name}", labels=hashed, owner=("ReplicaSet", "web-7d"), **more)


WEB = (web("a", created="2026-11-23T20:00:00Z"), web("b", created="2026-11-23T20:30:00Z"))
DB = pod("shop", "db-0", owner=("StatefulSet", "db"))
LONE = pod("bank", "ledger-1")


def cluster(*objects: Json, **settings: Any) -> FakeCluster:
    return FakeCluster([*objects, namespace("shop"), namespace("bank")], kinds=KINDS, **settings)


@pytest.mark.parametrize(
    ("word", "pod_name"),
    [
        ("db-0", "db-0"),
        ("pod/db-0", "db-0"),
        ("db", "db-0"),
        ("sts/db", "db-0"),
        ("statefulset/db", "db-0"),
        ("web-7d-a", "web-7d-a"),
    ],
)
async def test_one_pod_is_found_under_all_its_names_without_a_note(word: str, pod_name: str) -> None:
    assert await resolve(cluster(*WEB, DB), word, "shop") == Resolved(Target(pod_name, "shop"))


async def test_the_peer_travels_along() -> None:
    found = await resolve(cluster(DB), "db-0", "shop", "api", 80)

    assert found.target == Target("db-0", "shop", "api", 80)


async def test_a_namespace_may_stand_before_the_pod() -> None:
    assert (await resolve(cluster(DB, LONE), "bank/ledger-1", "shop")).target == Target("ledger-1", "bank")


async def test_of_a_workloads_pods_a_failing_one_comes_first() -> None:
    found = await resolve(cluster(*WEB, web("c", ready=False, created="2026-11-01T00:00:00Z")), "deploy/web", "shop")

    assert found == Resolved(
        Target("web-7d-c", "shop"), "web-7d-c is one of 3 pods of Deployment shop/web: it is not ready"
    )


async def test_of_healthy_pods_the_newest_is_taken_and_finished_ones_are_not() -> None:
    done = web("z", phase="Succeeded", ready=False, created="2026-11-23T20:59:00Z")

    found = await resolve(cluster(*WEB, done), "web", "shop")

    assert found == Resolved(
        Target("web-7d-b", "shop"), "web-7d-b is one of 2 pods of Deployment shop/web: the newest, all are ready"
    )


async def test_a_prefix_that_fits_one_pod_is_enough_and_the_note_says_how_it_was_read() -> None:
    found = await resolve(cluster(LONE), "bank/led", "shop")

    assert found == Resolved(Target("ledger-1", "bank"), '"led" is read as ledger-1')


async def test_a_prefix_that_fits_one_workload_picks_among_its_pods() -> None:
    assert (await resolve(cluster(*WEB), "web-7", "shop")).target.pod == "web-7d-b"


@pytest.mark.parametrize(
    ("word", "space", "message"),
    [
        ("wep", "shop", 'no pod "wep" in namespace "shop"; nearest: web'),
        ("zzz", "shop", 'no pod "zzz" in namespace "shop"; it has db-0, web-7d-a, web-7d-b'),
        ("sts/zzz", "shop", 'no statefulset "zzz" in namespace "shop"; it has db'),
        ("job/zzz", "shop", 'no job "zzz" in namespace "shop"; it has db-0, web-7d-a, web-7d-b'),
        ("deploy/wob", "shop", 'no deployment "wob" in namespace "shop"; nearest: web'),
        ("ledger-1", "shop", 'no pod "ledger-1" in namespace "shop"; there is one in bank'),
        ("web", "bank", 'no pod "web" in namespace "bank"; there is one in shop'),
        ("web", "shap", 'no namespace "shap"; nearest: shop'),
        ("", "shop", "name a pod: POD, NAMESPACE/POD or deploy/NAME"),
        ("shop/", "shop", "name a pod: POD, NAMESPACE/POD or deploy/NAME"),
    ],
)
async def test_what_cannot_be_found_is_answered_in_one_line_with_the_nearest(
    word: str, space: str, message: str
) -> None:
    with pytest.raises(NoSuchPod) as wrong:
        await resolve(cluster(*WEB, DB, LONE), word, space)

    assert str(wrong.value) == message


async def test_several_matches_are_listed_not_guessed() -> None:
    with pytest.raises(NoSuchPod) as wrong:
        await resolve(cluster(pod("shop", "api-1"), pod("shop", "api-2")), "api", "shop")

    assert str(wrong.value) == '"api" fits several pods in namespace "shop": api-1, api-2'


async def test_two_workloads_of_one_name_need_a_kind() -> None:
    both = cluster(*WEB, pod("shop", "web-0", owner=("StatefulSet", "web")))

    with pytest.raises(NoSuchPod, match=r"Deployment shop/web, StatefulSet shop/web; say which"):
        await resolve(both, "web", "shop")
    assert (await resolve(both, "sts/web", "shop")).target.pod == "web-0"


async def test_without_pods_it_is_blind_and_says_so() -> None:
    with pytest.raises(Blind, match="forbidden"):
        await resolve(cluster(blind={"pods": "forbidden"}), "web", "shop")


async def test_without_namespaces_and_replica_sets_pods_are_still_found() -> None:
    blind = {"namespaces": "forbidden", "replicasets": "forbidden"}

    assert (await resolve(cluster(*WEB, blind=blind), "deploy/web", "shop")).target.pod == "web-7d-b"


async def test_a_recorded_pod_is_found_by_its_deployment() -> None:
    found = await resolve(case("web-to-catalog"), "deployment/web", "store")

    assert found == Resolved(Target("web-747d774df4-bk458", "store"))


async def test_a_namespace_that_is_called_like_a_kind_is_meant_where_no_such_workload_is() -> None:
    worker = pod("jobs", "worker-7d-x", owner=("Job", "nightly"))
    found = await resolve(cluster(DB, worker, namespace("jobs")), "jobs/worker-7d-x", "shop")

    assert found.target == Target("worker-7d-x", "jobs")
    assert (await resolve(cluster(DB, worker), "jobs/nightly", "jobs")).target == Target("worker-7d-x", "jobs")
    with pytest.raises(NoSuchPod, match='no job "db-0"'):
        await resolve(cluster(DB), "jobs/db-0", "shop")


async def test_a_replica_set_is_found_by_its_name() -> None:
    assert (await resolve(cluster(*WEB, DB), "rs/web-7d", "shop")).target == Target("web-7d-b", "shop")


def test_what_is_asked_of_one_listing_again_and_again_goes_through_no_list_each_time() -> None:
    pods = tuple(pod("shop", f"web-{each}-66-a", owner=("ReplicaSet", f"web-{each}-66")) for each in range(2000))
    sets = tuple(
        {"metadata": {"namespace": "shop", "name": f"web-{each}-{old}"}} for each in range(2000) for old in (63, 64, 66)
    )
    listing = Listing(pods, sets, frozenset({"shop", "bank"}))
    began = process_time()

    for each in range(50):
        with pytest.raises(NoSuchPod):
            resolve_among(listing, f"deploy/gone-{each}", "bank")

    assert process_time() - began < 3.0
