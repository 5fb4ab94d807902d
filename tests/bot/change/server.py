"""A small API server, a process that can be killed between any two steps, and a network that loses answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.approval.decision import AccessReview
from bot.approval.proposal import KubeUser, PartKind, Proposal, ProposalPart
from bot.change.marks import PROPOSAL_ANNOTATION, uid_of, version_of
from bot.change.ports import CannotRead, Json, Moved, NotWritten, WriteUnanswered, Wrote
from flows.fixes.jsonpatch import CannotPatch, apply
from tests.bot.approval.making import NOW

Key = tuple[str, str, str]


class Killed(BaseException):
    """kill -9: nothing of this process runs any further."""


@dataclass
class Time:
    """A clock that moves when somebody sleeps, and by a microsecond whenever it is asked."""

    at: datetime = NOW
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        for each in self.listeners:
            each()
        await asyncio.sleep(0)


@dataclass
class Process:
    """Dies after so many steps; None: never."""

    rng: random.Random
    left: int | None = None
    dead: bool = False

    async def step(self) -> None:
        for _ in range(self.rng.randint(0, 3)):
            await asyncio.sleep(0)
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left < 0
        if self.dead:
            raise Killed


class Mortal:
    """Something of which every asynchronous method is a step before, and a step after."""

    def __init__(self, inside: Any, process: Process) -> None:
        self._inside, self._process = inside, process

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inside, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def called(*args: Any, **more: Any) -> Any:
            await self._process.step()
            said = await method(*args, **more)
            await self._process.step()
            return said

        return called


@dataclass(frozen=True)
class Write:
    """A write that took effect."""

    proposal: str
    who: str
    key: Key
    part: ProposalPart


class Server:
    """Objects with uid and resourceVersion, rights by name, and every write that took effect."""

    def __init__(self, time: Time) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.rights: set[tuple[str, str]] = set()
        self.writes: list[Write] = []
        self.requests: list[tuple[str, str]] = []
        self.in_flight: list[tuple[datetime, Callable[[], None]]] = []
        self.blind = False
        self.told: list[tuple[str, str, str]] = []
        self.untold = ""
        self._time, self._version = time, 100
        time.listeners.append(self.deliver)

    def next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def deliver(self) -> None:
        """What was under way arrives, each in its time."""
        due = [each for each in self.in_flight if each[0] <= self._time.at]
        self.in_flight = [each for each in self.in_flight if each not in due]
        for _, request in due:
            request()

    def put(self, key: Key, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Somebody writes an object with kubectl."""
        self._version += 1
        before = self.objects.get(key)
        kind, namespace, name = key
        meta = {"name": name, "namespace": namespace, "uid": uid_of(before) or f"uid-{self._version}"}
        notes = (before or {}).get("metadata", {}).get("annotations", {})
        meta |= {"resourceVersion": str(self._version), **({"annotations": notes} if notes else {})}
        self.objects[key] = {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": dict(spec)}
        return self.objects[key]

    def touch(self, key: Key) -> None:
        """A controller writes the status: a new resourceVersion, and nothing that anybody has written."""
        self._version += 1
        it = self.objects[key]
        meta = {**it["metadata"], "resourceVersion": str(self._version)}
        self.objects[key] = {**it, "metadata": meta, "status": {"seen": self._version}}

    def send(self, who: KubeUser, part: ProposalPart, proposal: str, *, dry: bool) -> Json | None:
        """A request that has arrived. Raises what the API server says."""
        key = (part.target.kind, part.target.namespace, part.target.name)
        if (who.name, part.target.namespace) not in self.rights:
            raise NotWritten(f'User "{who.name}" cannot patch resource in the namespace "{part.target.namespace}"')
        after = self._after(key, part, proposal)
        if dry:
            return after
        self.writes.append(Write(proposal, who.name, key, part))
        if after is None:
            del self.objects[key]
            return None
        self._version += 1
        after["metadata"]["resourceVersion"] = str(self._version)
        self.objects[key] = after
        return after

    def _after(self, key: Key, part: ProposalPart, proposal: str) -> dict[str, Any] | None:
        now = self.objects.get(key)
        if part.kind is PartKind.CREATE:
            if now is not None:
                raise Moved(f"{key[2]} already exists")
            made = {**part.body[0], "metadata": {**part.body[0]["metadata"], "uid": f"uid-new-{self._version}"}}
            return _marked(made, proposal)
        if now is None or uid_of(now) != part.uid or version_of(now) != part.resource_version:
            raise Moved("the object has been modified; please apply your changes to the latest version")
        if part.kind is PartKind.DELETE:
            return None
        try:
            return _marked(apply(now, part.body), proposal)
        except CannotPatch as why:
            raise Moved(str(why)) from None


def _marked(thing: Mapping[str, Any], proposal: str) -> dict[str, Any]:
    meta = thing["metadata"]
    return {
        **thing,
        "metadata": {**meta, "annotations": {**meta.get("annotations", {}), PROPOSAL_ANNOTATION: proposal}},
    }


@dataclass
class Client:
    """The patcher of one process. `faults`: how often (0 to 1) an answer to a write is lost or slow."""

    server: Server
    process: Process
    time: Time
    faults: float = 0.0

    async def read(self, part: ProposalPart, cluster: str) -> Json | None:
        await self.process.step()
        if self.server.blind:
            raise CannotRead("the API server does not answer")
        return self.server.objects.get((part.target.kind, part.target.namespace, part.target.name))

    async def review(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> AccessReview:
        await self.process.step()
        self.server.requests.append(("review", who.name))
        allowed = (who.name, part.target.namespace) in self.server.rights
        return AccessReview(allowed, "" if allowed else "RBAC: no rule allows it")

    async def dry_run(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> None:
        await self.process.step()
        self.server.requests.append(("dry_run", who.name))
        self.server.send(who, part, proposal, dry=True)
        await self.process.step()

    async def write(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> Wrote:
        await self.process.step()
        self.server.requests.append(("write", who.name))
        chance = self.process.rng.random()
        if chance < self.faults / 3:
            raise WriteUnanswered("the connection was refused")  # it never went out
        if chance < 2 * self.faults / 3:
            self._later(who, part, proposal)
            await self.process.step()
            raise WriteUnanswered("no answer came")
        said = self.server.send(who, part, proposal, dry=False)
        if chance < self.faults:
            raise WriteUnanswered("the answer was cut off")
        await self.process.step()
        return Wrote(said, f"audit-{len(self.server.requests)}")

    async def announce(self, who: KubeUser, part: ProposalPart, uid: str, it: Proposal, at: datetime) -> str:
        await self.process.step()
        self.server.told.append((it.id, who.name, uid))
        await self.process.step()
        return self.server.untold

    def _later(self, who: KubeUser, part: ProposalPart, proposal: str) -> None:
        def request() -> None:
            with suppress(NotWritten):  # nobody is there to hear it
                self.server.send(who, part, proposal, dry=False)

        due = self.time.at + timedelta(seconds=self.process.rng.uniform(0, 1.5))
        self.server.in_flight.append((due, request))
