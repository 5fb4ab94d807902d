"""The whole walk against a real API server, as the chart's own ServiceAccount and with nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.capture import ClusterRecorder, write_case
from bot.commands.doctor import told
from bot.doctor import CheckState
from bot.doctor.examine import Patient, examine
from sensors.access.casefolder import open_case
from sensors.access.live import LiveSettings
from sensors.kit.kinds import POD
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.binaries import Binaries
from tests.cluster.chart import ACCOUNT, NAMESPACE, reader_manifests, without_rule
from tests.live.front import standing_in
from tests.live.test_capture import comparable
from tests.live.world import CASES, diagnosed, sights, summary, world_of

pytestmark = pytest.mark.cluster

INCIDENTS = ("checkout-to-bank", "billing-to-tax", "agent-to-collector", "mobile-to-gateway", "cart-to-coupons")


@dataclass(frozen=True)
class Loaded:
    """A recording in a real API server, with probes on its nodes, and the token of the chart's account."""

    name: str
    server: ApiServer
    token: str

    @property
    def behind(self) -> dict[str, object]:
        return {"upstream": self.server.url, "ca_file": self.server.ca_file, "token": self.token, "servers": True}


@pytest.fixture(scope="module", params=INCIDENTS)
def loaded(
    request: pytest.FixtureRequest, programs: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    with api_server(programs, tmp_path_factory.mktemp(request.param)) as server:
        yield load(server, request.param)


def load(server: ApiServer, name: str, without: str = "", *, probes: bool = True) -> Loaded:
    folder = CASES / name
    server.load_case(folder)
    server.store(POD, standing_in(folder, open_case(folder), probes=probes, agents=False))
    manifests = reader_manifests()
    token = server.service_account(NAMESPACE, ACCOUNT, without_rule(manifests, without) if without else manifests)
    return Loaded(name, server, token)


async def test_the_least_privileged_account_gets_the_verdict_of_the_recording(loaded: Loaded, tmp_path: Path) -> None:
    recorded = open_case(CASES / loaded.name)
    assert recorded.header.target is not None
    expected = await diagnosed(recorded.header.target, recorded)

    async with world_of(loaded.name, tmp_path, **loaded.behind) as world:
        said = await world.diagnose(world.least)

    for key in ("root_cause", "cause_class", "affected_component", "fix"):
        assert without_revisions(said[key]) == without_revisions(expected[key])
    assert {each for each, sight in sights(said).items() if sight == "blind"} <= {"cni.health"}


def without_revisions(said: Any) -> Any:
    """The server counts revisions itself."""
    if isinstance(said, dict):
        return {key: without_revisions(each) for key, each in said.items() if key != "resource_version"}
    return [without_revisions(each) for each in said] if isinstance(said, list) else said


async def test_a_capture_of_it_gives_equal_json(loaded: Loaded, tmp_path: Path) -> None:
    async with world_of(loaded.name, tmp_path, **loaded.behind) as world, world.cluster(world.least) as cluster:
        seen, at = ClusterRecorder(cluster), await cluster.now()
        live = await diagnosed(world.target, seen)
        await seen.read_all_kinds()
        write_case(tmp_path / "case", world.target, seen, at, await cluster.environment())

    again = await diagnosed(world.target, open_case(tmp_path / "case"))

    assert comparable(again) == comparable(live)


async def test_the_doctor_finds_nothing_missing(loaded: Loaded, tmp_path: Path) -> None:
    async with world_of(loaded.name, tmp_path, **loaded.behind) as world, world.cluster(world.least) as cluster:
        checks = await examine(Patient(cluster, {}))

    assert [each for each in checks if each.state is CheckState.MISSING] == []


@pytest.mark.parametrize("resource", ["networkpolicies.networking.k8s.io", "events", "pods"])
async def test_a_right_taken_away_is_named_by_the_diagnosis_and_by_the_doctor(
    resource: str, programs: Binaries, tmp_path: Path
) -> None:
    with api_server(programs, tmp_path) as server:
        loaded = load(server, "checkout-to-bank", without=resource)
        async with world_of(loaded.name, tmp_path, **loaded.behind) as world:
            said = await world.diagnose(world.least)
            async with world.cluster(world.least) as cluster:
                checks = await examine(Patient(cluster, {}))

    needs = f"system:serviceaccount:kai:kai needs a ClusterRole with the verb list on {resource}"
    assert f"no right to list {resource} in all namespaces: {needs}" in str(said)
    assert [each.name for each in checks if each.state is CheckState.MISSING] == [f"right: list {resource}"]


async def test_of_three_missing_things_the_doctor_names_exactly_those_three(programs: Binaries, tmp_path: Path) -> None:
    with api_server(programs, tmp_path) as server:
        loaded = load(server, "checkout-to-bank", without="events", probes=False)
        async with world_of(loaded.name, tmp_path, **loaded.behind) as world:
            await world.relay.stop()
            async with world.cluster(world.least) as cluster:
                checks = await examine(Patient(cluster, {}))

    missing = [each for each in checks if each.state is CheckState.MISSING]
    assert [each.name for each in missing] == ["right: list events", "hubble relay", "probe"]
    assert "--serviceaccount=kai:kai" in missing[0].mend
    assert list(told(checks))[-1] == "3 missing: right: list events, hubble relay, probe"


@pytest.mark.parametrize("loaded", ["checkout-to-bank"], indirect=True)
async def test_without_the_certificate_the_charts_account_runs_no_program_and_nothing_inside_is_measured(
    loaded: Loaded, tmp_path: Path
) -> None:
    async with world_of(loaded.name, tmp_path, **loaded.behind) as world:
        said = await world.diagnose(LiveSettings())

    assert "pods/exec in namespace kai-probe" in summary(said, "net.connect")
    assert said["cause_class"] == "policy.both_sides_denied"
