"""Those around the desk: somebody who looks when told to, somebody who posts into a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.clusters.opened import OpenedCluster
from bot.clusters.recorded import recording_of
from bot.desk.looking import Looking
from bot.desk.ports import LookResult, Note, VerdictNote, Watcher
from bot.store import Investigation, OriginKind, Posted, Request
from flows.catalog import rules
from flows.engine import Concluded, Saw
from flows.load import Step, load_flows
from sensors.access.casefolder import CaseFolder, open_case
from sensors.kit import Target
from sensors.kit.catalog import sensors
from tests.bot.report.examples import DENIED
from tests.kit.cases import CASES

FLOW = "flow.k8s_network_debug"


def request(pod: str = "api-server", **more: Any) -> Request:
    words = {"namespace": "production", "asked_by": "U1", "flow": FLOW, "origin": OriginKind.SLASH, **more}
    return Request(Target(pod, words.pop("namespace"), "10.96.0.1", 443), **words)


@dataclass
class Hands:
    """A look that waits for the test: `began` is set by the look, `go` by the test. `raises` ends it otherwise."""

    began: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    go: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    raises: dict[str, Exception] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)

    async def look(self, it: Investigation, watcher: Watcher) -> LookResult:
        pod = it.request.target.pod
        self.looks.append(pod)
        self.began[pod].set()
        try:
            await self.go[pod].wait()
        except asyncio.CancelledError:
            self.interrupted.append(pod)
            raise
        if pod in self.raises:
            raise self.raises[pod]
        diagnosis = replace(DENIED, investigation_id=it.id)
        for number, (key, evidence) in enumerate(diagnosis.evidence.items()):
            await watcher(Saw(Step(f"s{number}", "sensor", evidence.sensor), key, evidence))
        await watcher(Concluded(diagnosis))
        return LookResult(diagnosis)


@dataclass
class Wall:
    """A poster that remembers. `fails` are raised first, one for each attempt; `deaf` posts and then seems to fail."""

    notes: list[Note] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)
    deaf: bool = False
    asked: int = 0

    async def post(self, note: Note) -> Posted:
        if self.fails:
            raise self.fails.pop(0)
        self.notes.append(note)
        if self.deaf:
            self.deaf = False
            raise ConnectionError("the answer was lost")
        return Posted("C1", str(len(self.notes)), "digest")

    async def find(self, note: Note) -> Posted | None:
        self.asked += 1
        places = [at for at, each in enumerate(self.notes, start=1) if each.key == note.key]
        return Posted("C1", str(places[0]), "digest") if places else None

    @property
    def roles(self) -> list[tuple[str, str]]:
        return [(each.role, each.investigation.request.target.pod) for each in self.notes]


@dataclass(frozen=True)
class FilePoster:
    """Appends a line and syncs, as Slack would keep a message: what is in the file was said."""

    path: Path

    async def post(self, note: Note) -> Posted:
        die_once("before-post", self.path.parent)
        it = note.investigation
        cause = note.verdict.cause_class if isinstance(note, VerdictNote) else it.why
        line = {"key": note.key, "role": note.role, "pod": str(it.request.target), "cause": cause}
        file = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(file, f"{json.dumps(line)}\n".encode())
        os.fsync(file)
        os.close(file)
        die_once("after-post", self.path.parent)
        await asyncio.sleep(0.2)  # said, and nobody knows yet: the moment in which a crash is most unwelcome
        return Posted("C1", note.key, "digest")

    async def find(self, note: Note) -> Posted | None:
        said = any(each["key"] == note.key for each in read_posts(self.path))
        return Posted("C1", note.key, "digest") if said else None


MOMENTS = ("after-look", "before-post", "after-post")


def die_once(moment: str, folder: Path) -> None:
    """`kill -9` from within, at exactly this moment, once in a folder: when DIE names it and something is said."""
    mark = folder / f"died-{moment}"
    if moment in os.environ.get("DIE", "").split() and (folder / "posts.jsonl").exists() and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def read_posts(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True)
class Recordings:
    """The recorded incidents as clusters; a request finds its own by pod."""

    folders: dict[str, CaseFolder]

    @asynccontextmanager
    async def open(self, asked: Request) -> AsyncIterator[OpenedCluster]:
        folder = self.folders[str(asked.target)]
        yield OpenedCluster(folder, recording_of(folder))


def recordings() -> Recordings:
    folders = [open_case(path) for path in sorted(CASES.iterdir()) if path.is_dir()]
    return Recordings({str(each.header.target): each for each in folders})


def looking(known: Recordings) -> Looking:
    return Looking(known.open, load_flows(), sensors(), rules())
