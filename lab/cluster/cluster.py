"""A recorded case as a cluster that runs: an API server and a hubble-relay, and a network that obeys the policies.

    async with LabCluster.start(case_dir) as lab:
        lab.url, lab.relay, lab.kubeconfig("alice")

Times are synthetic: everything recorded is moved so that it happened just now. By default the lab lives with the wall
clock; with `by_hand=True` its time stands still until `lab.advance(seconds)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from flows.denials.policy_world import profile_of
from flows.model import Case
from flows.policy import Profile
from lab.cluster import kubeconfig
from lab.cluster.agenda import Agenda
from lab.cluster.api import ApiServer
from lab.cluster.certificates import Certificates, make_certificates
from lab.cluster.clients import ClientTarget, Crowd, Diary, differences, dns_differs, wishes_of
from lab.cluster.containers import Containers, icmp_allowed_at_start
from lab.cluster.controllers import Controllers
from lab.cluster.dataplane import Dataplane, Delays
from lab.cluster.hubble import Reporter, identities_of
from lab.cluster.probe_servers import ProbeServers, address_of, can_be_served
from lab.cluster.probes import probe_objects
from lab.cluster.recording import ServedRecording, read_recording, recorded_plurals
from lab.cluster.resources import ResourceCatalog, catalog, of_kind
from lab.cluster.shift import Shift
from lab.cluster.store import ObjectStore, Thing
from lab.cluster.users import roles, tokens
from lab.observer import Node, ObserverServer, Ring
from lab.observer.recording import rings_of
from lab.observer.ring import CAPACITY
from sensors.kit import Target, observe
from sensors.kit.catalog import sensors
from sensors.kit.kinds import KINDS

A_LITTLE = 1
TICK = 0.25


@dataclass(frozen=True)
class Wishes:
    """Settings of a simulated cluster. `port` and `relay_port` 0: the system chooses.

    Without `tls` the API is plain HTTP: KAI's own client takes that, kubectl then sends no token. With
    `probe_servers` the probes are asked over the network, as the chart's are; `environ` then says how.
    """

    by_hand: bool = False
    at: datetime | None = None
    port: int = 0
    relay_port: int = 0
    tls: bool = False
    probes: bool = True
    probe_servers: bool = False
    delays: Delays = field(default_factory=Delays)
    seed: int = 1


@dataclass(repr=False)
class LabCluster:
    """The running lab. `unsimulated` says, line by line, what keeps its recorded behaviour whatever is changed."""

    folder: Path
    recording: ServedRecording
    store: ObjectStore
    catalog: ResourceCatalog
    agenda: Agenda
    dataplane: Dataplane
    crowd: Crowd
    controllers: Controllers
    api: ApiServer
    relay_server: ObserverServer
    tokens: Mapping[str, str]
    by_hand: bool
    unsimulated: list[str] = field(default_factory=list)
    certificates: Certificates | None = None
    probe_servers: ProbeServers | None = None
    _port: int = 0

    def __repr__(self) -> str:
        """The place alone: all that is in it is five megabytes, and asyncio writes out what a task returns."""
        return f"LabCluster({self.url})"

    @classmethod
    @asynccontextmanager
    async def start(cls, case_dir: Path, **wishes: Any) -> AsyncIterator[LabCluster]:
        """Serve a case folder; keywords as in `Wishes`. Raises `BadCase` or `ValueError` when it is none."""
        how = Wishes(**wishes)
        with tempfile.TemporaryDirectory(prefix="kai-lab-") as folder:
            lab = await _build(case_dir, how, Path(folder))
            async with lab._served(how):
                yield lab

    # -- where it is ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self._port}"

    @property
    def relay(self) -> str:
        return self.relay_server.address

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables by which KAI asks the probes' servers; empty where none serve."""
        return self.probe_servers.environ if self.probe_servers is not None else {}

    @property
    def now(self) -> datetime:
        return self.agenda.now

    @property
    def target(self) -> Target | None:
        return self.recording.folder.header.target

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of admin, alice, bob or kai."""
        return self.write_kubeconfig(self.folder / f"{user}.kubeconfig", user)

    def write_kubeconfig(self, path: Path, user: str) -> Path:
        namespace = self.target.namespace if self.target else "default"
        ca = self.certificates.ca if self.certificates else None
        return kubeconfig.write(path, self.url, user, self.tokens[user], namespace, ca)

    # -- time ----------------------------------------------------------------------------------------------------------

    async def advance(self, seconds: float) -> None:
        """Let time go by at once (by hand only), and whoever listens hear of it."""
        if not self.by_hand:
            raise RuntimeError("this lab lives with the wall clock")
        self.agenda.advance(seconds)
        await asyncio.sleep(0)

    def catch_up(self) -> None:
        if not self.by_hand:
            self.agenda.run_until(datetime.now(UTC))

    # -- serving -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _served(self, how: Wishes) -> AsyncIterator[None]:
        context = self.certificates.context() if self.certificates else None
        runner = web.AppRunner(self.api.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", how.port, ssl_context=context)
        try:
            await site.start()
            self._port = runner.addresses[0][1]
            async with self.relay_server, self._probing(), self._living():
                yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def _probing(self) -> AsyncIterator[None]:
        async with self.probe_servers.serving() if self.probe_servers is not None else contextlib.nullcontext():
            yield

    @asynccontextmanager
    async def _living(self) -> AsyncIterator[None]:
        task = None if self.by_hand else asyncio.create_task(self._live())
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _live(self) -> None:
        while True:
            self.catch_up()
            await asyncio.sleep(TICK)


# -- putting it together -----------------------------------------------------------------------------------------------


async def _build(case_dir: Path, how: Wishes, folder: Path) -> LabCluster:
    recording = await asyncio.to_thread(read_recording, case_dir)
    agenda = Agenda(how.at or datetime.now(UTC))
    shift = Shift(int((agenda.now - recording.newest).total_seconds()) - A_LITTLE)
    served, store = catalog(recorded_plurals(recording.folder)), ObjectStore()
    serves = how.probes and how.probe_servers and can_be_served()
    _load(store, served, recording, shift, agenda.now, how.probes, serves)
    profile = await _profile(recording)
    everything = [each for resource in served.resources for each in store.all(resource)]
    dataplane = Dataplane.of(everything, profile, recording, agenda, how.delays)
    relay = _relay(recording, store, served, shift, how)
    crowd, diary = _crowd(dataplane, relay, shift, how)
    containers = Containers(dataplane, shift, diary)
    who = tokens()
    git = recording.folder.header.environment.kubernetes or "v0.0.0"
    api = ApiServer(store, served, agenda, {value: key for key, value in who.items()}, containers, git)
    chance = random.Random(how.seed)  # noqa: S311
    rolling = Controllers(store, served, api.pen, agenda, dataplane, recording, chance, how.delays)
    lab = LabCluster(folder, recording, store, served, agenda, dataplane, crowd, rolling, api, relay, who, how.by_hand)
    api.catch_up = lab.catch_up
    lab.certificates = await asyncio.to_thread(make_certificates, folder) if how.tls else None
    nodes = [each["metadata"]["name"] for each in store.all(served.named("nodes"))]
    lab.probe_servers = ProbeServers(folder, nodes, containers.look) if serves else None
    store.listeners += [dataplane.hear, rolling.hear]
    _compare(lab, containers)
    crowd.begin(wishes_of(dataplane, _asked(lab)))
    return lab


def _load(
    store: ObjectStore,
    served: ResourceCatalog,
    recording: ServedRecording,
    shift: Shift,
    now: datetime,
    probes: bool,
    serves: bool,
) -> None:
    for kind in KINDS:
        resource = served.find(kind.api, of_kind(kind).plural)
        if resource is None:
            continue
        found = recording.folder.recorded.by_kind.get((kind.group, kind.name), ())
        store.load(resource, [_whole(resource.api, resource.kind, shift.thing(each)) for each in found])
    nodes = store.all(served.named("nodes"))
    extra = probe_objects(nodes, now, address_of if serves else None) if probes else []
    spaces = {each["metadata"]["namespace"] for each in store.all(served.named("pods"))}
    for each in (*extra, *roles(spaces, kai_may_exec=not serves)):
        resource = served.of_object(each)
        if resource is not None:
            store.load(resource, [each])


def _whole(api: str, kind: str, thing: Thing) -> Thing:
    """With its kind, which items of a List leave out; and in the version that is served."""
    return {**thing, "apiVersion": api, "kind": kind}


async def _profile(recording: ServedRecording) -> Profile:
    """Profile of the datapath, as the product itself reads it from the recording."""
    folder = recording.folder
    target = folder.header.target or Target("", "")
    seen = await observe(sensors()["cni.health"], target, folder)
    return profile_of(Case(target, folder.header.environment, await folder.now(), {"E1": seen}))


def _relay(
    recording: ServedRecording, store: ObjectStore, served: ResourceCatalog, shift: Shift, how: Wishes
) -> ObserverServer:
    """The recorded flows, moved to the present, on their nodes."""
    for each in recording.messages:
        shift.stamp(each.time)
        if each.HasField("flow"):
            shift.stamp(each.flow.time)
        else:
            for stamp in (each.lost_events.first, each.lost_events.last):
                if stamp.seconds:
                    shift.stamp(stamp)
    rings = {ring.node: ring for ring in rings_of(recording.messages)}
    names = {each["metadata"]["name"] for each in store.all(served.named("nodes"))} | recording.away
    nodes = [
        Node(rings.get(name, Ring(name)), name not in recording.away, f"cilium v{_version(recording)}")
        for name in sorted({*rings, *names})
    ]
    return ObserverServer(nodes, port=how.relay_port)


def _version(recording: ServedRecording) -> str:
    return (recording.folder.header.environment.cni_version or "0.0.0").lstrip("v")


def _crowd(dataplane: Dataplane, relay: ObserverServer, shift: Shift, how: Wishes) -> tuple[Crowd, Diary]:
    recording, agenda = dataplane.recording, dataplane.agenda
    identities = identities_of(recording.messages, dataplane.of_kind("CiliumEndpoint"))
    reporter = Reporter(dataplane, identities, random.Random(how.seed), _version(recording))  # noqa: S311

    def tell(message: Any) -> None:
        node = next((each for each in relay.nodes if each.name == message.node_name), None)
        if node is None:
            return
        relay.push(message)
        if len(node.ring.messages) > CAPACITY + 1000:
            del node.ring.messages[:1000]

    def read(pod: tuple[str, str]) -> str:
        thing = dataplane.things.get(("v1", "Pod", *pod)) or {"spec": {"containers": []}}
        names = [each["name"] for each in thing["spec"]["containers"]]
        return "\n".join(recording.log(pod, name, False, shift) or "" for name in names[:1])

    diary = Diary(agenda, read)
    return Crowd(dataplane, reporter, agenda, tell, diary.note), diary


def _asked(lab: LabCluster) -> ClientTarget | None:
    target = lab.target
    if target is None or target.to_host is None or target.to_port is None:
        return None
    return ClientTarget((target.namespace, target.pod), target.to_host, target.to_port)


def _compare(lab: LabCluster, containers: Containers) -> None:
    """Keeps the recording where the lab's network differs from it before anything was changed."""
    pods = [(each.parent.name, each.name) for each in sorted((lab.recording.path / "pods").glob("*/*"))]
    containers.icmp_allowed = icmp_allowed_at_start(lab.dataplane, pods)
    for pod in pods:
        for row, said in differences(lab.dataplane, pod):
            for host in filter(None, {row.get("host"), row.get("address")}):
                containers.kept_rows.setdefault(pod, {})[(str(host), int(row["port"]))] = row
            lab.unsimulated.append(
                f"{'/'.join(pod)} to {row.get('host')}:{row.get('port')} stays {row.get('result')}: "
                f"nothing in objects and policies explains it (they would give {said})"
            )
        for row in lab.recording.rows(pod, "pmtu.json"):
            if isinstance(row.get("mtu"), int) and row["mtu"] < (row.get("route_mtu") or 0):
                containers.small_paths |= {pod}
                lab.unsimulated.append(
                    f"the path of {'/'.join(pod)} to {row.get('destination')} stays {row['mtu']} bytes wide: "
                    "the network of this lab has no packet sizes"
                )
        if why := dns_differs(lab.dataplane, pod):
            containers.kept_dns |= {pod}
            lab.unsimulated.append(f"look-ups of {'/'.join(pod)} stay as recorded: {why}")
    for wish in wishes_of(lab.dataplane, _asked(lab)):
        if why := _kept(lab, containers, wish):
            lab.crowd.kept[wish] = why


def _kept(lab: LabCluster, containers: Containers, wish: ClientTarget) -> str:
    """The reason why a client's connection plays its recording again and again; empty where it is simulated."""
    if wish.pod in containers.kept_dns:
        return "its look-ups are kept as recorded"
    if wish.pod in containers.small_paths:
        return "what happens to large packets is kept as recorded"
    rows = containers.kept_rows.get(wish.pod, {})
    addresses = {(wish.host, wish.port)}
    for service in lab.dataplane.of_kind("Service"):
        meta, address = service["metadata"], service["spec"].get("clusterIP")
        name = f"{meta['name']}.{meta['namespace']}.svc.cluster.local"
        if wish.host in (meta["name"], name) and (wish.host == name or meta["namespace"] == wish.pod[0]):
            addresses.add((str(address), wish.port))
    return "the recorded answer is kept" if addresses & rows.keys() else ""
