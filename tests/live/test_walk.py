from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from sensors.access.casefolder import open_case
from sensors.access.live import LiveSettings
from sensors.access.live import cluster as cluster_module
from sensors.access.live.probing import ProbeSession
from sensors.hubble.lines import FlowQuestion
from sensors.hubble.records import HubbleMessage
from sensors.hubble_capture_flows import look
from sensors.kit import Absent, Blind, Dial, Target
from sensors.kit.kinds import POD
from tests.live.world import CASES, diagnosed, sights, summary, verdict, world_of

INCIDENTS = (
    *("checkout-to-bank", "billing-to-tax", "agent-to-collector", "api-server-cannot-watch"),
    *("mobile-to-gateway", "cart-to-coupons", "sync-to-partner"),
)
"""A NetworkPolicy, Cilium's two kinds, the API server, a refused port, a Service's port, a name of outside."""


@pytest.mark.parametrize("name", INCIDENTS)
async def test_a_living_cluster_gets_the_verdict_of_its_recording(name: str, tmp_path: Path) -> None:
    recorded = open_case(CASES / name)
    assert recorded.header.target is not None
    expected = await diagnosed(recorded.header.target, recorded)

    async with world_of(name, tmp_path) as world:
        said = await world.diagnose()

    assert verdict(said) == verdict(expected)
    assert sights(said) == sights(expected)


async def test_an_agent_that_does_not_run_is_the_verdict_as_in_the_recording(tmp_path: Path) -> None:
    async with world_of("batch-new-worker", tmp_path) as world:
        said = await world.diagnose()

    assert said["cause_class"] == "cni.agent_down"
    assert said["affected_component"] == {"kind": "Node", "namespace": "", "name": "lab2"}


async def test_the_cluster_says_itself_what_kind_of_cluster_it_is(tmp_path: Path) -> None:
    recorded = await open_case(CASES / "checkout-to-bank").environment()

    async with world_of("checkout-to-bank", tmp_path) as world, world.cluster() as cluster:
        seen = await cluster.environment()

    assert (seen.cni, seen.cni_version, seen.kubernetes) == ("cilium", recorded.cni_version, recorded.kubernetes)
    assert (seen.kube_proxy_replacement, seen.pod_cidrs) == (True, recorded.pod_cidrs)
    assert (seen.service_cidrs, seen.flow_source) == ((), "hubble-relay")  # nobody says it in this recording


# -- few questions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensors that were started together have said what they want within a time that a busy machine needs, too."""
    monkeypatch.setattr(cluster_module, "ProbeSession", partial(ProbeSession, gather=0.5))


async def test_each_kind_is_listed_once_whoever_asks(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        await world.diagnose()
        lists = [each for each in world.front.asked if each.endswith("?limit=500")]

    assert len(lists) == len(set(lists))
    assert "/api/v1/pods?limit=500" in lists


async def test_the_pod_is_asked_twice_once_for_its_files_and_once_for_what_is_tried(
    together: None, tmp_path: Path
) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        await world.diagnose()
        uid = next(key for key, each in world.front.probes.uids.items() if each == ("checkout", world.target.pod))
        mine = [request for _, request in world.front.probes.requests if request.get("pod_uid") == uid]
        nodes = [(node, bool(request["node_files"])) for node, request in world.front.probes.requests]

    assert [
        (bool(each["files"]), bool(each["lookups"] and each["connects"] and each["path_mtu"])) for each in mine
    ] == [
        (True, False),
        (False, True),
    ]
    assert sorted(node for node, with_files in nodes if with_files) == ["lab1", "lab2"]


async def test_the_probe_may_send_to_the_requested_peers_and_nowhere_else(together: None, tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        await world.diagnose()
        allowed = {tuple(each["allow"]["addresses"]) for _, each in world.front.probes.requests}

    # the peer's pod, the API server, the resolver, the peer's Service; reading files needs nothing
    assert allowed == {(), ("10.244.1.50", "10.96.0.1", "10.96.0.10", "10.96.103.48")}


async def test_a_name_of_outside_is_tried_where_the_pods_own_resolver_says(together: None, tmp_path: Path) -> None:
    async with world_of("sync-to-partner", tmp_path) as world:
        said = await world.diagnose()
        last = world.front.probes.requests[-1][1]

    assert (last["connects"], last["allow"]) == (
        [{"host": "cdn.example.net", "port": 443, "protocol": "tcp"}],
        {"addresses": ["198.51.100.20"]},
    )
    assert summary(said, "net.connect").startswith("requested: cdn.example.net:443 timeout")


# -- what is not asked -------------------------------------------------------------------------------------------------


async def test_programs_run_in_agents_only_where_that_is_switched_on(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        async with world.cluster(LiveSettings()) as cluster:
            with pytest.raises(Blind, match=r"switched off \(--exec-in-agents\)"):
                await cluster.node_file("lab1", "cilium/status.json")
        runs = [each for each in world.front.asked if "/exec" in each]

    assert runs == []


async def test_without_a_probe_nothing_is_tried_and_nothing_run_where_that_is_forbidden(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path, probes=False) as world:
        said = await world.diagnose(LiveSettings(exec_in_target=False))
        runs = [each for each in world.front.asked if "/exec" in each]

    assert runs == []
    assert summary(said, "net.connect").startswith("no probe in namespace kai-probe (Helm value probe.enabled")


async def test_without_a_probe_the_pods_own_container_is_read_and_no_connection_is_tried(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path, probes=False, has_cat=True) as world:
        said = await world.diagnose(LiveSettings())
        runs = {unquote(each.partition("?")[2]) for each in world.front.asked if "/exec" in each}

    assert (sights(said)["net.tcp_stats"], sights(said)["net.connect"]) == ("seen", "blind")
    assert all("command=cat&command=/" in each for each in runs)


async def test_a_pod_that_only_says_it_is_a_probe_is_not_believed(tmp_path: Path) -> None:
    settings = LiveSettings(probe_namespace="elsewhere", exec_in_target=False)

    async with world_of("checkout-to-bank", tmp_path) as world, world.cluster(settings) as cluster:
        with pytest.raises(Blind, match="no probe in namespace elsewhere"):
            await cluster.pod_file(world.target.namespace, world.target.pod, "net/snmp")


async def test_a_pod_that_is_not_there_is_absent(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world, world.cluster() as cluster:
        with pytest.raises(Absent, match="there is no pod shop/web"):
            await cluster.pod_file("shop", "web", "net/snmp")


async def test_only_flows_of_the_asked_time_are_brought(tmp_path: Path) -> None:
    target = Target("checkout-5df9dc997b-qb72b", "checkout")

    async with world_of("checkout-to-bank", tmp_path) as world:
        async with world.cluster(LiveSettings()) as cluster:
            await look(target, cluster, since=90)
        since = {each.since.seconds for each in world.relay.requests if each.HasField("since")}

    assert since == {int(world.moment) - 90}


async def test_a_look_that_is_broken_off_leaves_nothing_running(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.probe_mood = "hangs"
        async with world.cluster() as cluster:
            await cluster.objects(POD)
            said = await diagnosed(world.target, cluster, within=1.0)
        await world.relay.until_open(0)

    assert sights(said)["net.tcp_stats"] == "blind"
    assert said["timings"]["total_ms"] < 4500  # the probe alone would be given five seconds


async def test_listening_hears_of_the_end_of_the_attempts(tmp_path: Path) -> None:
    """Also where they could not be made: whoever listens for their sake need not go on."""
    async with world_of("checkout-to-bank", tmp_path) as world, world.cluster() as cluster:
        relay = cluster.relay
        assert relay is not None
        asked: list[FlowQuestion] = []

        def flows(question: FlowQuestion) -> AsyncIterator[list[HubbleMessage]]:
            asked.append(question)
            return relay.hubble_flows(question)

        cluster.relay = SimpleNamespace(hubble_flows=flows)  # type: ignore[assignment]
        async for _ in cluster.hubble_flows(FlowQuestion("payments", "checkout")):
            pass
        (question,) = asked
        assert question.enough is not None
        assert not question.enough.is_set()
        with suppress(Absent):
            await cluster.connects("payments", "no-such-pod", [Dial("10.96.0.1", 443)])
        assert question.enough.is_set()
