"""The whole of the watch on a cluster that runs: a policy is changed, traffic stops, and the way back is proved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bot.clusters.options import Live
from bot.slack.watch_words import words_of
from bot.watch.proving import Prover
from bot.watch.sources import LiveSources
from bot.watch.watch import CutFinding, Watch
from lab.cluster import LabCluster
from sensors.access.kube import connect
from sensors.access.live import LiveCluster, live_cluster
from sensors.access.relay import Relay, relay_config
from sensors.kit.catalog import sensors
from tests.bot.slack.conftest import text_of
from tests.labcluster.desk import apply, attempts, recorded_diagnosis, running, undo


@asynccontextmanager
async def watched(lab: LabCluster, said: list[CutFinding]) -> AsyncIterator[None]:
    """The watch, with the lab's own time, which has heard drops for long enough."""

    async def say(finding: CutFinding, ts: str) -> str:
        said.append(finding)
        return "1.0"

    async def sleep(seconds: float) -> None:
        await lab.advance(seconds)
        await asyncio.sleep(0.3)  # what happened comes by socket

    @asynccontextmanager
    async def opened() -> AsyncIterator[LiveCluster]:
        async with connect(lab.kubeconfig("kai"), environ={}) as kube:
            relay = Relay(relay_config({}, server=lab.relay))
            async with live_cluster(kube, relay, clock=lambda: lab.now.timestamp()) as cluster:
                yield cluster

    sources = LiveSources(Live(str(lab.kubeconfig("kai")), server=lab.relay, environ={}))
    watch = Watch(sources, Prover(opened, sensors()).way_back, say, 30.0, lambda: lab.now, sleep)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(20):
            while not lab.relay_server._followers or len(lab.store._watchers) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await lab.advance(35)
        yield
        async with asyncio.timeout(60):
            while watch._open:
                await asyncio.wait(watch._open)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("case", ["api-server-cannot-watch", pytest.param("checkout-to-bank", marks=pytest.mark.slow)])
async def test_a_change_that_cuts_a_workload_is_said_with_the_proof_of_the_way_back(case: str):
    fix, said = (await recorded_diagnosis(case)).fix, list[CutFinding]()
    async with running(case) as lab:
        await apply(lab, "alice", fix)
        await lab.advance(8)
        assert set(await attempts(lab, 5)) == {"open"}
        async with watched(lab, said):
            statuses = await undo(lab, "alice", fix)
            await asyncio.sleep(0.5)

    assert set(statuses) == {200}
    assert said
    finding = said[-1]
    assert {each.policy for each in finding.change.all} == {each.target for each in (fix, *fix.also)}
    (first, *_) = finding.back.proved
    assert lab.target is not None
    assert first.cut.sample is not None
    assert (first.cut.sample.namespace, first.cut.sample.pod) == (lab.target.namespace, lab.target.pod)
    assert first.allowed == first.replayed > 0
    shown = text_of({"text": words_of(finding).text, "blocks": list(words_of(finding).blocks)})
    assert f"{fix.target}" in shown
    cut = "1 workload" if len(finding.back.proved) == 1 else "2 workloads"  # of two policies, both ends may drop
    assert f" {cut}: {'the first of them' if fix.also else 'it'} was {finding.change.what} at" in shown
    assert "would pass if the change were taken back." in shown
    assert "kubectl " in shown


@pytest.mark.slow
async def test_a_change_that_cuts_off_no_workload_is_silent():
    case, said = "api-server-cannot-watch", list[CutFinding]()
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab, watched(lab, said):
        answer: Any = await apply(lab, "alice", fix)  # it opens a way, and what is dropped was dropped before
        await asyncio.sleep(0.5)

    assert answer == [201]
    assert said == []
