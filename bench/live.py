"""How long KAI itself takes against a living cluster: a real API server, a relay over gRPC, probes over websockets.

    python bench/live.py [--runs N] [--at-once N]

The world: a recorded incident with 500 pods and 1,000 hubble flows, in processes of their own; a program in the probe
takes no time. Own time leaves out what is waited on purpose: listening to what happens now (`RelayLimits.follow`, 2
s) and the pause before the other questions to the relay. The whole wall time is given beside it, with a probe that
waits for silent peers as the real one does; once more where nobody names the peer. Those at once go through one
process and one connection as in `kai serve`, eight at a time, and its workers judge; waiting for their turn counts,
and so do the workers' time and memory.

Reach: the constants below, in the order of what is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sensors.access.probe.agent import CONNECT_TIMEOUT_S  # noqa: E402 - after the path to it

if TYPE_CHECKING:
    from tests.live.world import World

NAME = "checkout-to-bank"
EXPECTED = "policy.both_sides_denied"
PODS, FLOWS = 500, 1000
P50_S, P95_S, WALL_S, RSS_MB, CROWD_RSS_MB, AT_ONCE_S = 0.5, 2.0, 3.0, 200, 250, 12


# -- the one who asks: a process of its own ----------------------------------------------------------------------------


async def ask(
    kubeconfig: str, relay: str, runs: int, at_once: int, follow: float, named: bool = True, probes: str = ""
) -> dict[str, Any]:
    """Seconds of each investigation, one after the other or all at once, and the peak of our memory.

    `probes` is the folder of our certificate for the probes' servers, and their port.
    """
    from bot.desk.limits import Limits
    from bot.interpreter import collect_seldom, serve_quickly, use_one_heap
    from bot.workers import WorkerPool
    from flows.catalog import rules
    from flows.engine import WalkTools, run
    from flows.load import load_flows
    from sensors.access.casefolder import open_case
    from sensors.access.kube import Kube, connect
    from sensors.access.live import LiveSettings, SharedReads, live_cluster
    from sensors.access.relay import Relay, RelayConfig, RelayLimits
    from sensors.kit.catalog import sensors

    collect_seldom()
    use_one_heap()
    header = open_case(ROOT / "lab" / "cases" / NAME).header
    assert header.target
    assert header.recorded_at
    target = header.target if named else replace(header.target, to_host=None, to_port=None)
    moment = header.recorded_at.timestamp()
    reads = SharedReads() if at_once else None
    flow, workers = load_flows()["flow.k8s_network_debug"], WorkerPool()
    tools = WalkTools(sensors(), rules(), runner=workers) if at_once else WalkTools(sensors(), rules())
    folder, _, port = probes.rpartition(":")
    settings = LiveSettings(probe_tls=Path(folder), probe_port=int(port)) if probes else LiveSettings()
    room = asyncio.Semaphore(Limits().each_process)
    pace = RelayLimits(follow=follow, settling=0.3 if follow else 0.0)

    async def look(kube: Kube) -> str:
        with_relay = kube, Relay(RelayConfig(relay), pace)
        async with room, live_cluster(*with_relay, settings, lambda: moment, reads) as cluster:
            return (await run(flow, target, cluster, tools)).cause_class

    async def one(open_already: Kube | None = None) -> tuple[float, str]:
        """As a command, which connects; or as a server, which is connected."""
        began = time.perf_counter()
        async with nullcontext(open_already) if open_already else connect(kubeconfig, environ={}) as kube:
            cause = await look(kube)
        return time.perf_counter() - began, cause

    await one()  # imports and caches
    if at_once:
        serve_quickly()
    began = processor_seconds()
    if at_once:
        async with connect(kubeconfig, environ={}) as kube:
            found = list(await asyncio.gather(*(one(kube) for _ in range(at_once))))
    else:
        found = [await one() for _ in range(runs)]
    peak = sum(map(peak_mb, ("self", *map(str, workers.pids))))
    await workers.close()
    cpu = (processor_seconds() - began) / len(found)
    seconds, causes = [each for each, _ in found], sorted({each for _, each in found})
    return {"seconds": seconds, "causes": causes, "rss_mb": peak, "cpu_s": cpu}


def processor_seconds() -> float:
    """Of this process and of those that it began and that are over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def peak_mb(process: str) -> float:
    """Most memory that a process had at a time."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(each for each in lines if each.startswith("VmHWM")).split()[1]) / 1024


# -- the world ---------------------------------------------------------------------------------------------------------


def many_pods(folder: Path) -> list[dict[str, Any]]:
    """Copies of the recorded pods with names, ids and addresses of their own, in other namespaces."""
    from sensors.access.casefolder import open_case

    pods = [dict(each) for each in open_case(folder).recorded.by_kind[("", "Pod")]]
    return [_copy(pods[number % len(pods)], number) for number in range(PODS - len(pods))]


def _copy(pod: dict[str, Any], number: int) -> dict[str, Any]:
    other = copy.deepcopy(pod)
    address = f"10.245.{number // 250}.{number % 250 + 1}"
    other["metadata"] |= {"name": f"copy-{number}", "namespace": f"bench-{number % 20}", "uid": f"copy-of-{number}"}
    other["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
    return other


def many_flows(folder: Path) -> list[Any]:
    """The recorded nodes, their flows of the asked pod again and again until there are enough."""
    from lab.observer import Node, Ring, nodes_of

    return [Node(Ring(each.name, _repeated(each.ring.messages, FLOWS // 2))) for each in nodes_of(folder)]


def _repeated(messages: list[Any], count: int) -> list[Any]:
    flows = [each for each in messages if each.HasField("flow")]
    found = []
    for number in range(count):
        other = copy.deepcopy(flows[number % len(flows)])
        other.flow.uuid = f"{number:08x}-0000-4000-8000-{abs(hash(other.node_name)) % 10**12:012d}"
        found.append(other)
    return sorted(found, key=lambda each: (each.time.seconds, each.time.nanos))


@asynccontextmanager
async def living(scratch: Path, real: bool) -> AsyncIterator[World]:
    """The world; `real`: behind a kube-apiserver, else the recording answers by itself."""
    from lab.cluster.certificates import make_certificates
    from tests.live.world import CASES, world_of

    folder = CASES / NAME
    with _real_server(folder, scratch) if real else nullcontext({}) as behind:
        tls = make_certificates(scratch)
        async with world_of(NAME, scratch, nodes=many_flows(folder), servers=True, tls=tls, **behind) as world:
            yield world


@contextmanager
def _real_server(folder: Path, scratch: Path) -> Iterator[dict[str, Any]]:
    from sensors.access.casefolder import open_case
    from sensors.kit.kinds import POD
    from tests.cluster.apiserver import api_server
    from tests.cluster.binaries import binaries
    from tests.cluster.chart import ACCOUNT, NAMESPACE, reader_manifests
    from tests.live.front import standing_in

    with api_server(binaries(), scratch) as server:
        server.load_case(folder)
        server.store(POD, [*many_pods(folder), *standing_in(folder, open_case(folder), agents=False)])
        token = server.service_account(NAMESPACE, ACCOUNT, reader_manifests())
        yield {"upstream": server.url, "ca_file": server.ca_file, "token": token}


async def measure(runs: int, crowds: Sequence[int], real: bool = True) -> list[dict[str, Any]]:
    """One after the other without waiting; as in life, with the peer named and without; then each crowd."""
    with tempfile.TemporaryDirectory() as scratch:
        async with living(Path(scratch), real) as world:
            where = str(world.kubeconfig), world.relay.address
            own = await _in_its_own_process(*where, runs, 0, 0.0)
            world.front.probes.patience_s = CONNECT_TIMEOUT_S
            few = max(runs // 4, 3)
            assert world.probes is not None
            probes = f"{world.least.probe_tls}:{world.probes.port}"
            waiting = [await _in_its_own_process(*where, few, 0, 2.0, named, probes) for named in (1, 0)]
            world.front.probes.patience_s = 0.0
            return [own, *waiting, *[await _in_its_own_process(*where, 0, each, 2.0) for each in crowds]]


async def _in_its_own_process(*arguments: Any) -> dict[str, Any]:
    command = [sys.executable, __file__, "--ask", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the asking process ended with {process.returncode}")
    answer: dict[str, Any] = json.loads(said)
    return answer


def told(own: dict[str, Any], wall: dict[str, Any], unnamed: dict[str, Any], crowd: dict[str, Any]) -> int:
    p50, p95 = statistics.median(own["seconds"]), _p95(own["seconds"])
    print(f"{PODS} pods, {FLOWS} flows; verdicts {', '.join(own['causes'])}")
    print(f"own time over {len(own['seconds'])} runs: p50 {p50:.2f} s, p95 {p95:.2f} s (reach: {P50_S}, {P95_S})")
    print(f"whole wall time with silent peers: p50 {statistics.median(wall['seconds']):.2f} s (reach: {WALL_S})")
    print(f"the same where nobody names the peer: p50 {statistics.median(unnamed['seconds']):.2f} s")
    print(
        f"peak memory: {own['rss_mb']:.0f} MB one at a time (reach: {RSS_MB}), {crowd['rss_mb']:.0f} MB with the crowd"
    )
    print(
        f"CPU for each: {own['cpu_s']:.2f} s one at a time, {crowd['cpu_s']:.2f} s in the crowd, whoever else is busy"
    )
    slowest = max(crowd["seconds"])
    print(
        f"{len(crowd['seconds'])} at once: slowest {slowest:.1f} s (reach: {AT_ONCE_S}), {', '.join(crowd['causes'])}"
    )
    right = own["causes"] == crowd["causes"] == [EXPECTED]
    good = right and p50 <= P50_S and p95 <= P95_S and own["rss_mb"] <= RSS_MB and slowest <= AT_ONCE_S
    return 0 if good else 1


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[max(round(len(seconds) * 0.95) - 1, 0)]


def main() -> int:
    if "--ask" in sys.argv:
        kubeconfig, relay, runs, at_once, follow, *how = sys.argv[sys.argv.index("--ask") + 1 :]
        asking = ask(kubeconfig, relay, int(runs), int(at_once), float(follow), how[:1] != ["0"], *how[1:])
        print(json.dumps(asyncio.run(asking)))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=50)
    asked = parser.parse_args()
    return told(*asyncio.run(measure(asked.runs, [asked.at_once])))


if __name__ == "__main__":
    raise SystemExit(main())
