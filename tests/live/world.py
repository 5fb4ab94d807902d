"""One recorded incident as a living cluster: API server, relay and probes, and the walk over them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.report.json_result import encode
from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.load import load_flows
from lab.cluster.certificates import Certificates
from lab.observer import Manners, Node, ObserverServer, Ring, nodes_of
from sensors.access.casefolder import open_case
from sensors.access.kube import connect
from sensors.access.live import LiveCluster, LiveSettings, live_cluster
from sensors.access.relay import Relay, RelayConfig, RelayLimits
from sensors.kit import Cluster, Target
from sensors.kit.catalog import sensors
from tests.cluster.standin import kubeconfig
from tests.live.front import Front, front_of
from tests.live.probe_servers import ProbeServers, probe_servers

CASES = Path(__file__).parents[2] / "lab" / "cases"
QUICK = RelayLimits(follow=0.05, within=4.0, greeting=2.0, settling=1.0)
EVERYTHING = LiveSettings(exec_in_agents=True)
NETDEBUG = "flow.k8s_network_debug"


@dataclass
class World:
    """What a test may break: the front (API server, programs in pods), the relay, and the probes' servers.

    Where the servers run, probes are asked over the network, as KAI in a cluster does; else their program is run.
    """

    front: Front
    relay: ObserverServer
    probes: ProbeServers | None
    kubeconfig: Path
    target: Target
    moment: float

    @property
    def least(self) -> LiveSettings:
        """The settings of the chart's KAI: it runs no program anywhere."""
        assert self.probes is not None
        return self.probes.settings

    @asynccontextmanager
    async def cluster(
        self, settings: LiveSettings = EVERYTHING, pace: RelayLimits = QUICK
    ) -> AsyncIterator[LiveCluster]:
        """A cluster for one investigation, at the moment of the recording."""
        relay = Relay(RelayConfig(self.relay.address), pace)
        async with (
            connect(self.kubeconfig, environ={}) as kube,
            live_cluster(kube, relay, settings, clock=lambda: self.moment) as cluster,
        ):
            yield cluster

    async def diagnose(self, settings: LiveSettings = EVERYTHING, within: float = 30.0, **pace: Any) -> dict[str, Any]:
        async with self.cluster(settings, replace(QUICK, **pace)) as cluster:
            return await diagnosed(self.target, cluster, within)


async def diagnosed(target: Target, cluster: Cluster, within: float = 30.0) -> dict[str, Any]:
    """The published JSON of one walk."""
    flow = replace(load_flows()[NETDEBUG], within=within)
    diagnosis = await run(flow, target, cluster, WalkTools(sensors(), rules()))
    said: dict[str, Any] = json.loads(json.dumps(encode(diagnosis)))
    return said


@asynccontextmanager
async def world_of(
    name: str,
    folder: Path,
    *,
    nodes: list[Node] | None = None,
    manners: Manners | None = None,
    token: str = "",
    servers: bool = False,
    tls: Certificates | None = None,
    **front: Any,
) -> AsyncIterator[World]:
    path = CASES / name
    header = open_case(path).header
    assert header.target is not None
    assert header.recorded_at is not None
    nodes = recorded_nodes(path) if nodes is None else nodes
    for each in nodes:
        each.version = f"cilium v{header.environment.cni_version}"
    async with (
        front_of(path, tls=tls, **front) as served,
        ObserverServer(nodes, manners or Manners()) as relay,
        probe_servers(served.probes, served.nodes, folder / "probes") if servers else nullcontext() as probes,
    ):
        trust = {"certificate-authority": str(tls.ca)} if tls else {}
        config = kubeconfig(folder, served.url, user={"token": token} if token else None, **trust)
        yield World(served, relay, probes, config, header.target, header.recorded_at.timestamp())


def recorded_nodes(path: Path) -> list[Node]:
    """The nodes behind the relay; one whose agent did not run is known to it and not connected."""
    nodes = nodes_of(path)
    silent = {each.name for each in (path / "nodes").iterdir()} - {each.name for each in nodes}
    return [*nodes, *(Node(Ring(each), is_connected=False) for each in sorted(silent))]


# -- comparing ---------------------------------------------------------------------------------------------------------

VERDICT = ("root_cause", "cause_class", "affected_component", "confidence", "coverage", "findings", "fix", "layers")


def verdict(said: dict[str, Any]) -> dict[str, Any]:
    """What a diagnosis says, without how it came to know."""
    return {key: said[key] for key in VERDICT}


def sights(said: dict[str, Any]) -> dict[str, str]:
    return {each["sensor"]: each["sight"] for each in said["evidence"]}


def summary(said: dict[str, Any], sensor: str) -> str:
    return str(next(each["summary"] for each in said["evidence"] if each["sensor"] == sensor))


def layer(said: dict[str, Any], name: str) -> tuple[str, str]:
    row = next(each for each in said["layers"] if each["layer"] == name)
    return row["state"], row["why"]
