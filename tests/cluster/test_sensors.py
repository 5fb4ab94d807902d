from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.clusters.target import resolve
from sensors.access.kube import connect
from sensors.kit.catalog import sensors
from sensors.kit.cluster import Object
from sensors.kit.kinds import EVENT, KINDS, NETWORK_POLICY, POD
from sensors.kit.model import Sight
from sensors.kit.observe import observe
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.binaries import Binaries
from tests.cluster.live import live
from tests.kit.cases import CASES, case, target_of

pytestmark = pytest.mark.cluster

INCIDENTS = ("checkout-to-bank", "billing-to-tax", "agent-to-collector")
"""A NetworkPolicy, a CiliumNetworkPolicy and a clusterwide one."""


@pytest.fixture(scope="module", params=INCIDENTS)
def incident(
    request: pytest.FixtureRequest, programs: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ApiServer]]:
    """A recorded incident and a real API server that holds its objects."""
    with api_server(programs, tmp_path_factory.mktemp(request.param)) as server:
        server.load_case(CASES / request.param)
        yield request.param, server


async def test_the_server_gives_back_every_object_as_it_was_recorded(incident: tuple[str, ApiServer]) -> None:
    name, server = incident
    recorded = case(name)

    async with connect(server.kubeconfig()) as kube:
        for kind in (each for each in KINDS if each.plural in recorded.recorded.recorded):
            assert _plain(await kube.list(kind)) == _plain(await recorded.objects(kind)), kind


def _plain(objects: tuple[Object, ...]) -> dict[tuple[object, object], dict[str, object]]:
    """By namespace and name, without the revision, which the server counts itself."""
    return {(each["metadata"].get("namespace"), each["metadata"]["name"]): _without_revision(each) for each in objects}


def _without_revision(thing: Object) -> dict[str, object]:
    meta = {key: value for key, value in thing["metadata"].items() if key != "resourceVersion"}
    return {**thing, "metadata": meta}


def _without_revisions(facts: object) -> object:
    """Facts that carry raw objects (the policy sensor's) without their revisions; others as they are."""
    objects = getattr(facts, "objects", None)
    return facts if objects is None else replace(facts, objects=[*map(_without_revision, objects)])  # type: ignore[type-var]


@pytest.mark.parametrize("sensor", sorted(sensors()))
async def test_a_sensor_sees_in_the_live_cluster_what_it_sees_in_the_recording(
    sensor: str, incident: tuple[str, ApiServer]
) -> None:
    name, server = incident
    recorded, looks = case(name), sensors()[sensor]
    target = target_of(recorded)

    async with connect(server.kubeconfig()) as kube:
        seen = await observe(looks, target, live(recorded, kube))  # type: ignore[arg-type]

    expected = await observe(looks, target, recorded)
    assert (seen.sight, seen.why) == (expected.sight, expected.why)
    assert _without_revisions(seen.facts) == _without_revisions(expected.facts)
    assert not sensor.startswith("k8s.") or seen.sight is Sight.SEEN


async def test_a_pod_is_found_by_the_name_of_its_workload(incident: tuple[str, ApiServer]) -> None:
    name, server = incident
    recorded = case(name)
    target = target_of(recorded)

    async with connect(server.kubeconfig()) as kube:
        found = await resolve(live(recorded, kube), target.pod[:-2], target.namespace)  # type: ignore[arg-type]

    assert found == await resolve(recorded, target.pod[:-2], target.namespace)
    assert found.target.namespace == target.namespace


async def test_the_recordings_are_of_use_for_this(incident: tuple[str, ApiServer]) -> None:
    recorded = case(incident[0])

    assert await recorded.objects(POD)
    assert await recorded.objects(EVENT)
    assert NETWORK_POLICY.plural in recorded.recorded.recorded
