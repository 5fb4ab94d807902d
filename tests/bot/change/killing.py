"""KAI in real processes on one database and one simulated cluster: they are killed, or several press at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.approval.proposal import ProofRecord, Proposal, new_id
from bot.approval.trail import TrailEvent, TrailNote, faults
from bot.change.marks import PROPOSAL_ANNOTATION
from bot.change.opening import _line
from bot.change.orders import Orders
from bot.change.proving import Proving
from bot.clusters.opening import PolicyWorlds
from bot.clusters.options import Live
from bot.commands.recipe import flow_named
from bot.store.store import Store, open_store
from flows.catalog import rules
from flows.engine import WalkTools, run
from lab.cluster import LabCluster
from sensors.kit.catalog import sensors
from tests.bot.approval.making import PLACE

ROOT = Path(__file__).parents[3]
CASE = ROOT / "lab" / "cases" / "basket-to-pricing"
"""Its fix patches one NetworkPolicy: whose generation counts every write."""

WITHIN = 120


@dataclass
class Kais:
    """One database, one cluster, and as many processes as a test begins."""

    url: str
    lab: LabCluster
    store: Store

    async def propose(self) -> Proposal:
        """What is found wrong at this moment, proved, with its card at C1 2.0."""
        live = Live(str(self.lab.kubeconfig("kai")), server=self.lab.relay, environ={})
        worlds = PolicyWorlds(live)
        assert self.lab.target is not None
        async with worlds.cluster() as cluster:
            tools = WalkTools(sensors(), rules())
            found = await run(flow_named("flow.k8s_network_debug"), self.lab.target, cluster, tools)
        fresh = await Proving(
            lambda _: worlds.cluster(), sensors(), Orders(lambda _: _line(lambda _: live, "default"))
        ).first(found.target, found.fix, "default")
        assert fresh.why == ""
        now, proved = datetime.now(UTC), fresh.proved or ProofRecord("")
        made = Proposal(new_id(), "inv", found.target, found.fix.title, fresh.parts, proved, now,
                        now + timedelta(minutes=30), place=PLACE)  # fmt: skip
        assert await self.store.proposals.create(made, [TrailNote(TrailEvent.PROPOSED, "kai")], now)
        return made

    async def begin(self, it: Proposal, press: str = "", presses: int = 1, dies_at: str = "") -> Process:
        """A process that is ready to press, and waits for the word."""
        words = [self.url, str(self.lab.kubeconfig("kai")), self.lab.relay, it.id]
        told = {"PRESS": press, "PRESSES": str(presses), "DIES_AT": dies_at}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bot.change.child", *words,
            cwd=ROOT, env={**os.environ, **told}, stdin=PIPE, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN):
            line = await process.stdout.readline()
        if line != b"ready\n":
            _, wrong = await process.communicate()
            raise AssertionError(f"it did not begin: {wrong.decode()[-3000:]}")
        return process

    async def end(self, process: Process) -> tuple[int, list[str]]:
        """Give the word, and wait: how it ended, and what alice was told."""
        async with asyncio.timeout(WITHIN):
            out, wrong = await process.communicate(b"go\n")
        code = process.returncode
        assert code in (0, -9), wrong.decode()[-3000:]
        return int(code or 0), json.loads(out) if out else []

    def policy(self, it: Proposal) -> dict[str, Any]:
        target = it.parts[0].target
        resource = self.lab.catalog.named("networkpolicies", "networking.k8s.io")
        found = self.lab.store.get(resource, target.namespace, target.name)
        assert found is not None
        return dict(found)

    def writes(self, it: Proposal) -> int:
        """How often the object was written, by the API server's own count."""
        return int(self.policy(it)["metadata"]["generation"])

    def mark(self, it: Proposal) -> str:
        return str((self.policy(it)["metadata"].get("annotations") or {}).get(PROPOSAL_ANNOTATION, ""))

    async def trail(self, it: Proposal) -> list[dict[str, Any]]:
        """The audit of a proposal; the whole trail must be as it was written."""
        links = [each async for each in self.store.audit.links()]
        assert faults(links, await self.store.audit.head()) == []
        entries = [json.loads(each.entry) for each in links]
        return [each for each in entries if each["proposal"] == it.id]


@asynccontextmanager
async def kais(url: str) -> AsyncIterator[Kais]:
    async with LabCluster.start(CASE) as lab, open_store(url) as store:
        yield Kais(url, lab, store)
