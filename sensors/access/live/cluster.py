"""A living cluster as the port: each read is bounded, remembered for one investigation, and says why it is blind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sensors.access.environment import ENVIRONMENT_KINDS, environment_of, version_in
from sensors.access.kube import Kube, RememberingLists
from sensors.access.kube.failure import resource_of
from sensors.access.live.agents import NAMESPACES, agent_on, ask_agent, is_agent
from sensors.access.live.container_files import read_inside
from sensors.access.live.probing import PodPlace, ProbeResults, ProbeSession, ProbeTargets, looked_at, outcome
from sensors.access.live.reach import ConnectPlan, plan
from sensors.access.live.sharing import SharedReads
from sensors.access.probe.channel import PORT, ProbeChannel, probe_channel
from sensors.access.probe.client import MAX_ANSWER, PROGRAM, ProbeAnswer, ProbeRequest, build_command, parse_answer
from sensors.hubble.lines import FlowQuestion, HubbleMessage
from sensors.kit.cluster import Connect, Dial, DnsLookup, Environment, Object, PathMtu
from sensors.kit.kinds import DAEMON_SET, SERVICE, Kind
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import (
    annotations_of,
    label_of,
    name_of,
    named,
    namespace_of,
    one_line,
    pod_is_over,
    pod_is_ready,
    text,
)
from sensors.kit.reading import if_readable, pods_near, read_kinds
from sensors.topology.peer import ADDRESS_KINDS, places

if TYPE_CHECKING:
    from sensors.access.relay import RelayStatus

Read = TypeVar("Read")

PROBE_LABEL = "app.kubernetes.io/name"
PROBE_CONTAINER = "probe"
MANY = 8
"""Programs run in the cluster at the same time, for one investigation."""

LISTING = 5.0
"""Seconds for one whole list."""

WAY = 2.0
"""Seconds on top of the probe's own budget for the way there and back."""

TURN = 6.0
"""Seconds to wait for a seat at the probe's server, which answers a few questions at a time."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Settings of a living cluster: which sources may be read, and where they are.

    probe_namespace  only pods there are believed to be probes: anybody may give a pod a label.
    probe_tls        the folder with our certificate for the probes' server (ca.crt, tls.crt, tls.key); without it the
                     probe's program is run in its pod, which needs the right to run programs there.
    cluster          what people call the cluster, where a setting says so.
    probe_port       where the probes' server listens.
    exec_in_target   read /proc/net in the pod's own container where no probe is on its node.
    exec_in_agents   run the agents' own tool in their pods; off, since nothing limits what else could be run there.
    relay_hint       what to try when the relay is not where it was guessed to be.
    """

    probe_namespace: str = "kai-probe"
    exec_in_target: bool = True
    exec_in_agents: bool = False
    relay_hint: str = ""
    probe_tls: Path | None = None
    probe_port: int = PORT
    cluster: str = ""


class FlowSource(Protocol):
    """Source of hubble flows; `Relay` is one."""

    async def status(self) -> RelayStatus: ...

    def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[list[HubbleMessage]]: ...


class LiveCluster:
    """The `Cluster` port over an API server, a relay and the probes, for one investigation. `close` it."""

    def __init__(
        self,
        kube: Kube,
        relay: FlowSource | None,
        settings: LiveSettings | None = None,
        clock: Callable[[], float] = time.time,
        shared: SharedReads | None = None,
    ) -> None:
        self._shared = shared
        self.kube, self.relay, self.settings = kube, relay, settings or LiveSettings()
        self._clock = clock
        self._lists = RememberingLists(self._list)
        self._desk = ProbeSession(self._ask_probe, self._plan)
        self._room = asyncio.Semaphore(MANY)
        self._way_to_probes: ProbeChannel | None = None
        self._once: dict[object, asyncio.Task[Any]] = {}
        self._tried = asyncio.Event()

    def start(self) -> None:
        """Begin to find out what kind of cluster this is: everybody will ask, and some as the last thing they do."""
        self._begin("environment", self._environment)

    async def close(self) -> None:
        """End whatever is still under way, and forget what was read.

        A failure refers to us and we to it; what we hold would stay until Python looks for circles: megabytes of lists.
        """
        await self._desk.close()
        for each in self._once.values():
            each.cancel()
        await asyncio.gather(*self._once.values(), return_exceptions=True)
        self._once.clear()
        await self._lists.close()

    # -- the port ------------------------------------------------------------------------------------------------------

    async def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    async def environment(self) -> Environment:
        return await self._remember("environment", self._environment)

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        return await self._lists.objects(kind, namespace)

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        key = ("log", namespace, pod, container, previous, lines)
        read = lambda: self.kube.log(namespace, pod, container, previous=previous, lines=lines)  # noqa: E731
        return await self._remember(key, lambda: self._read(key, read))

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        if self.relay is None:
            its = (
                f"the cluster {self.settings.cluster} (clusters: … hubble: HOST:PORT)"
                if self.settings.cluster
                else "it"
            )
            raise Blind(f"no hubble relay is configured for {its}; --server HOST:PORT names one")
        try:
            async for batch in self.relay.hubble_flows(replace(question, enough=self._tried)):
                yield batch
        except Blind as why:
            raise Blind(f"{why}{self.settings.relay_hint}") from None

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        place = await self._place(namespace, pod)
        try:
            await self._probe_on(place.node)
        except Blind as no_probe:
            return await self._inside(namespace, pod, name, no_probe)
        return await self._desk.pod_file(place, name)

    async def node_file(self, node: str, name: str) -> str:
        if name.startswith("cilium/"):
            return await self._ask_agent(node, name)
        await self._probe_on(node)
        return await self._desk.node_file(node, name)

    async def lookups(self, namespace: str, pod: str, names: Sequence[str]) -> tuple[DnsLookup, ...]:
        tried = await self._attempt(namespace, pod, ProbeTargets(names=tuple(names)))
        return tried.lookups or _nothing(tried, "lookups")

    async def connects(self, namespace: str, pod: str, dials: Sequence[Dial]) -> tuple[Connect, ...]:
        if not dials:
            return ()
        try:
            tried = await self._attempt(namespace, pod, ProbeTargets(dials=tuple(dials)))
        finally:
            self._tried.set()
        return tried.connects or _nothing(tried, "connects")

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        if not destinations:
            return ()
        tried = await self._attempt(namespace, pod, ProbeTargets(paths=tuple(destinations)))
        return tried.paths or _nothing(tried, "path_mtu")

    async def _list(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        """A list that hangs must end before the sensors' own time does, or it would blind those who can do without."""
        try:
            async with asyncio.timeout(LISTING):
                return await self._read((kind, namespace), lambda: self.kube.list(kind, namespace))
        except TimeoutError:
            raise Blind(f"{resource_of(kind)} were not listed within {LISTING:g} s") from None

    async def _read(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Read]]) -> Read:
        """From the cluster itself, or with other investigations of this moment where that is meant."""
        return await (read() if self._shared is None else self._shared.read(key, read))

    # -- the pod and its probe -----------------------------------------------------------------------------------------

    async def _attempt(self, namespace: str, pod: str, wish: ProbeTargets) -> ProbeResults:
        place = await self._place(namespace, pod)
        await self._probe_on(place.node)
        return await self._desk.attempt(place, wish)

    async def _place(self, namespace: str, name: str) -> PodPlace:
        async def find() -> PodPlace:
            return place_of(namespace, name, await pods_near(self, namespace))

        return await self._remember(f"place of {namespace}/{name}", find)

    async def ask_probe(self, node: str, request: ProbeRequest) -> ProbeAnswer:
        """One question to the probe of a node, whatever else is asked. Raises `Blind`."""
        return await self._ask_probe(node, request)

    async def _probe_on(self, node: str) -> Object:
        """The probe's pod on a node. Raises `Blind`."""
        probes = await self._remember("probes", self._probes)
        return probe_on(probes, node, self.settings.probe_namespace)

    async def _probes(self) -> tuple[Object, ...]:
        namespace = self.settings.probe_namespace
        pods = await pods_near(self, namespace)
        return tuple(each for each in pods if is_probe(each, namespace))

    async def _agents(self) -> tuple[Object, ...]:
        return tuple(each for each in await pods_near(self, *sorted(NAMESPACES)) if is_agent(each))

    async def _ask_probe(self, node: str, request: ProbeRequest) -> ProbeAnswer:
        probe, within = await self._probe_on(node), request.budget_ms / 1000 + WAY
        async with self._room:
            if self.settings.probe_tls is None:
                return parse_answer(await self._run_probe(probe, node, request, within), request)
            address = text(probe, "status", "podIP")
            if not address:
                raise Blind(f"the probe on node {node} has no address yet")
            return parse_answer(await self._channel().ask(address, request, within + TURN), request)

    def _channel(self) -> ProbeChannel:
        if self._way_to_probes is None:
            self._way_to_probes = probe_channel(self.settings.probe_tls or Path(), self.settings.probe_port)
        return self._way_to_probes

    async def _run_probe(self, probe: Object, node: str, request: ProbeRequest, within: float) -> bytes:
        """A person's way: the same question to the same program, with their own right to run programs there."""
        where, name, command = self.settings.probe_namespace, name_of(probe), build_command(request)
        try:
            ended = await self.kube.exec(where, name, PROBE_CONTAINER, command, within=within, limit=MAX_ANSWER)
        except Absent as gone:
            raise Blind(f"the probe on node {node} is gone: {gone}") from None
        if not ended.stdout.strip():
            said = one_line(ended.stderr.decode(errors="replace"), 200)
            raise Blind(
                f"{PROGRAM} on node {node} ended with exit code {ended.exit_code}{f' ({said})' if said else ''}"
            )
        return ended.stdout

    async def _inside(self, namespace: str, pod: str, name: str, no_probe: Blind) -> str:
        """Without a probe: the same text from the pod's own container, where its network is the same."""
        if not self.settings.exec_in_target:
            raise no_probe
        found = named(await pods_near(self, namespace), pod, namespace)
        try:
            return await self._remember((namespace, pod, name), lambda: read_inside(self.kube, found or {}, name))
        except (Absent, Blind) as why:
            raise Blind(f"{no_probe}; {why}") from None

    async def _plan(self, dials: Iterable[Dial], destinations: Iterable[str], namespace: str) -> ConnectPlan:
        kinds, environment = await asyncio.gather(read_kinds(self, *ADDRESS_KINDS, SERVICE), self.environment())
        return plan(dials, destinations, namespace, places(kinds.of(SERVICE), kinds, environment))

    async def _ask_agent(self, node: str, name: str) -> str:
        agent = agent_on(await self._remember("agents", self._agents), node)
        asking = lambda: ask_agent(self.kube, agent, node, name, may_exec=self.settings.exec_in_agents)  # noqa: E731
        return await self._remember((node, name), asking)

    # -- the cluster itself --------------------------------------------------------------------------------------------

    async def _environment(self) -> Environment:
        asking = self._read("version", self.kube.version)
        kinds, (version, _) = await asyncio.gather(read_kinds(self, *ENVIRONMENT_KINDS), if_readable(asking))
        source = None if self.relay is None else "hubble-relay"
        seen = environment_of(kinds, version, source)
        seen = replace(seen, name=self.settings.cluster or self.kube.place.context or seen.name)
        if seen.cni != "cilium" or seen.cni_version or self.relay is None or kinds.of(DAEMON_SET):
            return seen
        status, _ = await if_readable(self.relay.status())
        return replace(seen, cni_version=version_in(each.version for each in status.nodes) if status else None)

    async def _remember(self, key: object, read: Callable[[], Coroutine[Any, Any, Read]]) -> Read:
        """Read once, whoever asks first; one who gives up does not end it for the others."""
        return await outcome(self._begin(key, read))

    def _begin(self, key: object, read: Callable[[], Coroutine[Any, Any, Read]]) -> asyncio.Task[Read]:
        if key not in self._once:
            self._once[key] = asyncio.create_task(read())
            self._once[key].add_done_callback(looked_at)
        return self._once[key]


def _nothing(tried: ProbeResults, table: str) -> Any:
    raise tried.why_nothing(table)


def place_of(namespace: str, name: str, pods: Iterable[Object]) -> PodPlace:
    """Node of a pod. Raises `Absent` (no such pod) and `Blind` (on no node yet)."""
    pod = named(pods, name, namespace)
    if pod is None:
        raise Absent(f"there is no pod {namespace}/{name}")
    node = text(pod, "spec", "nodeName")
    if not node:
        raise Blind(f"{namespace}/{name} is on no node yet")
    static = annotations_of(pod).get("kubernetes.io/config.hash")  # what the cgroup of a static pod carries
    return PodPlace(namespace, name, node, static or text(pod, "metadata", "uid"))


def is_probe(pod: Object, namespace: str) -> bool:
    """True if a pod is one of the chart's probes; who may create pods in their namespace is trusted with that."""
    return namespace_of(pod) == namespace and label_of(pod, PROBE_LABEL) == PROGRAM


def probe_on(pods: Iterable[Object], node: str, namespace: str) -> Object:
    """The probe's pod on a node. Raises `Blind` that says what is missing."""
    probes = [each for each in pods if is_probe(each, namespace)]
    here = [each for each in probes if text(each, "spec", "nodeName") == node and not pod_is_over(each)]
    if not probes:
        raise Blind(
            f"no probe in namespace {namespace} (Helm value probe.enabled; --probe-namespace names another one)"
        )
    if not here:
        raise Blind(
            f"no probe on node {node} (does its DaemonSet in namespace {namespace} tolerate the node's taints?)"
        )
    best = max(here, key=lambda each: pod_is_ready(each) is True)
    if pod_is_ready(best) is not True:
        raise Blind(f"the probe on node {node} is not ready ({namespace}/{name_of(best)})")
    return best


@asynccontextmanager
async def live_cluster(
    kube: Kube,
    relay: FlowSource | None,
    settings: LiveSettings | None = None,
    clock: Callable[[], float] = time.time,
    shared: SharedReads | None = None,
) -> AsyncIterator[LiveCluster]:
    """A cluster for one investigation; whatever it started ends with the block. `shared`: lists and logs are read
    together with other investigations of the moment; never for a write or a verification."""
    cluster = LiveCluster(kube, relay, settings, clock, shared)
    cluster.start()
    try:
        yield cluster
    finally:
        with suppress(asyncio.CancelledError):
            await cluster.close()
