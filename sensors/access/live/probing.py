"""Asks the probes with few programs: what is wanted of a pod at about the same time goes out as one request.

Reading is asked apart from trying. The first look at a node brings all files of the pod and of the node at once; a
request that also waits for silent peers would hold them back for seconds. What is to be tried (names, peers, path
sizes) is collected until the pod's files are there, since sensors must read resolv.conf before they can ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sensors.access.live.reach import ConnectPlan, answered, may_be_sent_to
from sensors.access.probe.client import ProbeAnswer, ProbeRequest
from sensors.kit.cluster import Connect, Dial, DnsLookup, PathMtu
from sensors.kit.model import Blind
from sensors.kit.objects import one_line

POD_FILES = (
    *("net/snmp", "net/netstat", "net/sockstat", "net/tcp", "net/tcp6", "net/udp", "net/udp6"),
    *("links.json", "routes.json", "resolv.conf"),
)
NODE_FILES = ("nf_conntrack_count", "nf_conntrack_max", "conntrack_stats", "links.json", "dmesg")
QTYPES = ("A", "AAAA")
MOST_TARGETS = 16

Answer = TypeVar("Answer")

GATHER = 0.02
"""Seconds in which sensors that were started together have said what they want."""

READING_MS = 3000
TRYING_MS = 6000


@dataclass(frozen=True, slots=True)
class PodPlace:
    """A pod where the probe can find it: its node, and the uid that its cgroup carries."""

    namespace: str
    name: str
    node: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


ProbeCall = Callable[[str, ProbeRequest], Awaitable[ProbeAnswer]]
"""Runs one request in the probe of a node. Raises `Blind`."""

Plans = Callable[[Iterable[Dial], Iterable[str], str], Awaitable[ConnectPlan]]
"""Where the wanted peers and path ends are, seen from a namespace."""


@dataclass(frozen=True, slots=True)
class ProbeTargets:
    """Look-ups, connections and paths to try from inside a pod."""

    names: tuple[str, ...] = ()
    dials: tuple[Dial, ...] = ()
    paths: tuple[str, ...] = ()

    def __add__(self, other: ProbeTargets) -> ProbeTargets:
        return ProbeTargets(
            tuple(dict.fromkeys((*self.names, *other.names))),
            tuple(dict.fromkeys((*self.dials, *other.dials))),
            tuple(dict.fromkeys((*self.paths, *other.paths))),
        )


@dataclass(frozen=True, slots=True)
class ProbeResults:
    """Results of the targets, several answers joined."""

    lookups: tuple[DnsLookup, ...] = ()
    connects: tuple[Connect, ...] = ()
    paths: tuple[PathMtu, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)

    def why_nothing(self, table: str) -> Blind:
        """The reason why a whole table is empty."""
        said = (why for key, why in self.errors.items() if key.partition("/")[0] == table)
        return Blind(one_line(next(said, "the probe answered nothing")))


@dataclass
class _Reading:
    """A request for files that is being put together, or under way. The node's own files come with the first one."""

    node: str
    pods: dict[str, PodPlace] = field(default_factory=dict)
    with_node: bool = False
    sent: bool = False
    answers: dict[str, asyncio.Task[ProbeAnswer]] = field(default_factory=dict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class _Trying:
    """Wishes that are being collected for one request, or under way."""

    wish: ProbeTargets = field(default_factory=ProbeTargets)
    sent: bool = False
    task: asyncio.Task[ProbeResults] = field(init=False)


class ProbeSession:
    """All questions of one investigation to the probes. `close` ends what is under way."""

    def __init__(self, ask: ProbeCall, plans: Plans, gather: float = GATHER) -> None:
        self._ask, self._plans, self._gather = ask, plans, gather
        self._reading: dict[str, _Reading] = {}
        self._files: dict[str, _Reading] = {}
        self._node_files: dict[str, _Reading] = {}
        self._trying: dict[str, _Trying] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """End the requests under way, and forget the answers; whoever still waits for one is blind."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for known in (self._reading, self._files, self._node_files, self._trying):
            known.clear()

    # -- files ---------------------------------------------------------------------------------------------------------

    async def pod_file(self, pod: PodPlace, name: str) -> str:
        """One file of a pod's network namespace. Raises `Blind`."""
        return _whole(await self._answer(self._read_pod(pod), pod.uid), "pod_files", name)

    async def node_file(self, node: str, name: str) -> str:
        """One file of the node's own namespace. Raises `Blind`."""
        return _whole(await self._answer(self._read_node(node), ""), "node_files", name)

    def _read_pod(self, pod: PodPlace) -> _Reading:
        if pod.uid not in self._files:
            reading = self._open(pod.node)
            reading.pods[pod.uid] = pod
            self._files[pod.uid] = reading
        return self._files[pod.uid]

    def _read_node(self, node: str) -> _Reading:
        return self._node_files.get(node) or self._open(node)

    def _open(self, node: str) -> _Reading:
        """The request to this node that has not gone out yet, or a new one."""
        reading = self._reading.get(node)
        if reading is None or reading.sent:
            reading = self._reading[node] = _Reading(node)
            if node not in self._node_files:
                self._node_files[node], reading.with_node = reading, True
            self._start(self._send_reading(reading))
        return reading

    async def _send_reading(self, reading: _Reading) -> None:
        """One program for each pod (the probe enters one namespace); the first brings the node's files, too."""
        await asyncio.sleep(self._gather)
        reading.sent = True
        first = next(iter(reading.pods), "")
        for uid in reading.pods or ("",):
            files = POD_FILES if uid else ()
            node_files = NODE_FILES if reading.with_node and uid == first else ()
            request = ProbeRequest(uid or None, files, node_files=node_files, budget_ms=READING_MS)
            reading.answers[uid] = self._start(self._ask(reading.node, request))
        reading.answers[""] = reading.answers[first]
        reading.gone.set()

    async def _answer(self, reading: _Reading, uid: str) -> ProbeAnswer:
        await reading.gone.wait()
        return await outcome(reading.answers[uid])

    # -- trying --------------------------------------------------------------------------------------------------------

    async def attempt(self, pod: PodPlace, wish: ProbeTargets) -> ProbeResults:
        """Looks names up, tries peers and sends sizes from inside a pod. Raises `Blind`."""
        trying = self._trying.get(pod.uid)
        if trying is None or trying.sent:
            trying = self._trying[pod.uid] = _Trying()
            trying.task = self._start(self._send_trying(pod, trying))
        trying.wish += wish
        return await outcome(trying.task)

    async def _send_trying(self, pod: PodPlace, trying: _Trying) -> ProbeResults:
        await self._answer(self._read_pod(pod), pod.uid)  # without files there is no probe: its Blind flies
        await asyncio.sleep(self._gather)
        trying.sent = True
        wish = trying.wish
        plan = await self._plans(wish.dials, wish.paths, pod.namespace)
        names = tuple(dict.fromkeys((*wish.names, *(each.host for each in plan.later))))
        requests = requests_for(pod.uid, ProbeTargets(names, plan.dials, wish.paths), plan.allow)
        tried = joined(await asyncio.gather(*(self._ask(pod.node, each) for each in requests)))
        return await self._try_later(pod, plan, tried)

    async def _try_later(self, pod: PodPlace, plan: ConnectPlan, tried: ProbeResults) -> ProbeResults:
        """Doors with a name of outside: now that the pod's own resolver has said where that is."""
        known = {dial: answered(dial.host, tried.lookups) for dial in plan.later}
        dials = tuple(dial for dial, addresses in known.items() if addresses)
        if not dials:
            return tried
        allow = tuple(sorted({each for found in known.values() for each in found if may_be_sent_to(each)}))
        requests = requests_for(pod.uid, ProbeTargets(dials=dials), allow)
        more = joined(await asyncio.gather(*(self._ask(pod.node, each) for each in requests)))
        return ProbeResults(
            tried.lookups, (*tried.connects, *more.connects), tried.paths, {**tried.errors, **more.errors}
        )

    def _start(self, work: Awaitable[Answer]) -> asyncio.Task[Answer]:
        task: asyncio.Task[Answer] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(looked_at)
        return task


def looked_at(task: asyncio.Task[Any]) -> bool:
    """A done callback: an error is no surprise, even if nobody waits for it any more."""
    return not task.cancelled() and task.exception() is not None


async def outcome(task: asyncio.Task[Answer]) -> Answer:
    """A sensor that gives up must not end the request of the others."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise Blind("not heard to the end: the look is over") from None
        raise


def requests_for(uid: str, wish: ProbeTargets, allow: tuple[str, ...]) -> tuple[ProbeRequest, ...]:
    """As few requests as the probe's limit of targets lets pass."""
    targets: list[tuple[str, Any]] = [("lookups", (name, qtype)) for name in wish.names for qtype in QTYPES]
    targets += [*(("connects", each) for each in wish.dials), *(("path_mtu", each) for each in wish.paths)]
    parts = (targets[start : start + MOST_TARGETS] for start in range(0, len(targets), MOST_TARGETS))
    return tuple(ProbeRequest(uid, allow=allow, budget_ms=TRYING_MS, **_by_table(each)) for each in parts)


def _by_table(targets: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        table: tuple(each for its, each in targets if its == table) for table in ("lookups", "connects", "path_mtu")
    }


def joined(answers: Iterable[ProbeAnswer]) -> ProbeResults:
    tried = ProbeResults()
    for each in answers:
        tried = ProbeResults(
            (*tried.lookups, *each.lookups),
            (*tried.connects, *each.connects),
            (*tried.paths, *each.path_mtu),
            {**tried.errors, **each.errors},
        )
    return tried


def _whole(answer: ProbeAnswer, table: str, name: str) -> str:
    """A text without a last line that was cut; JSON that was cut is no JSON."""
    said = answer.pod_file(name) if table == "pod_files" else answer.node_file(name)
    cut = answer.truncated.get(f"{table}/{name}")
    if cut is None:
        return said
    if name.endswith(".json"):
        raise Blind(f"{name} is too long: {one_line(cut)}")
    return said[: said.rfind("\n") + 1]
