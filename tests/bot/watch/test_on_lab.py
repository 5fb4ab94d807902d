"""The whole of the watch on a cluster that runs: a policy is changed, traffic stops, and the way back is proved."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Callable
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
from sensors.access.relay.conversion import read_response
from sensors.access.relay.following import is_policy_drop
from sensors.hubble.records import HubbleFlow
from sensors.kit.catalog import sensors
from tests.bot.slack.conftest import text_of
from tests.labcluster.desk import apply, ask, attempts, path_of, recorded_diagnosis, running, undo


async def until(holds: Callable[[], object]) -> None:
    """What happens in the lab comes by socket."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


class Counted(LiveSources):
    """Counts the drops that have come."""

    heard = 0

    async def drops(self, heard: Callable[[], None]) -> AsyncIterator[HubbleFlow]:
        async for each in super().drops(heard):
            self.heard += 1
            yield each


def dropped_in(lab: LabCluster) -> int:
    """How many packets the nodes have seen that a policy refused."""
    seen = (read_response(each.SerializeToString()) for node in lab.relay_server.nodes for each in node.ring.messages)
    return sum(isinstance(each, HubbleFlow) and is_policy_drop(each) for read in seen for each in read or ())


@asynccontextmanager
async def watched(lab: LabCluster, said: list[CutFinding]) -> AsyncIterator[Watch]:
    """The watch, with the lab's own time, which has heard drops for long enough."""

    async def say(finding: CutFinding, ts: str) -> str:
        said.append(finding)
        return "1.0"

    async def sleep(seconds: float) -> None:
        await lab.advance(seconds)
        dropped = dropped_in(lab) - before
        await until(lambda: sources.heard >= dropped)

    @asynccontextmanager
    async def opened() -> AsyncIterator[LiveCluster]:
        async with connect(lab.kubeconfig("kai"), environ={}) as kube:
            relay = Relay(relay_config({}, server=lab.relay))
            async with live_cluster(kube, relay, clock=lambda: lab.now.timestamp()) as cluster:
                yield cluster

    sources = Counted(Live(str(lab.kubeconfig("kai")), server=lab.relay, environ={}))
    watch = Watch(sources, Prover(opened, sensors()).way_back, say, 30.0, lambda: lab.now, sleep)
    task = asyncio.create_task(watch.run())
    try:
        await until(lambda: lab.relay_server._followers and len(lab.store._watchers) >= 3)
        before = dropped_in(lab)
        await lab.advance(35)
        yield watch
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
        async with watched(lab, said) as watch:
            statuses = await undo(lab, "alice", fix)
            await until(lambda: len(watch._open) == len(statuses))

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
    async with running(case) as lab, watched(lab, said) as watch:
        answer: Any = await apply(lab, "alice", fix)  # it opens a way, and what is dropped was dropped before
        await until(lambda: len(watch._open) == len(answer))

    assert answer == [201]
    assert said == []


@pytest.mark.slow
@pytest.mark.parametrize("healed_by", ["", "another-policy"])
async def test_a_cut_that_is_healed_before_the_look_is_not_said(healed_by: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "bot.watch.watch")
    case, said = "api-server-cannot-watch", list[CutFinding]()
    fix = (await recorded_diagnosis(case)).fix
    manifest = copy.deepcopy(dict(fix.patch[0]))
    manifest["metadata"]["name"] = healed_by or manifest["metadata"]["name"]
    async with running(case) as lab:
        await apply(lab, "alice", fix)
        await lab.advance(8)
        async with watched(lab, said) as watch:
            healed, sleep = asyncio.Event(), watch._sleep

            async def wait(seconds: float) -> None:
                await healed.wait()
                await sleep(seconds)

            watch._sleep = wait
            await undo(lab, "alice", fix)
            await until(lambda: watch._open)
            await lab.advance(20)
            await until(lambda: len(watch._drops))
            reply = await ask(lab, "alice", "POST", path_of(manifest["kind"], "production"), manifest)
            await until(lambda: len(watch._open) == 2)
            healed.set()

    assert reply.status == 201
    assert said == []
    assert "none is proved to be its own" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"])
@pytest.mark.parametrize("selects", [{}, {"matchLabels": {"no": "body"}}])
async def test_a_policy_of_cilium_is_said_where_it_cuts(kind: str, selects: dict[str, Any]):
    case, said = "api-server-cannot-watch", list[CutFinding]()
    fix = (await recorded_diagnosis(case)).fix
    space = "production" if kind == "CiliumNetworkPolicy" else ""
    meta = {"name": "shut", **({"namespace": space} if space else {})}
    spec = {"endpointSelector": selects, "egressDeny": [{"toEntities": ["all"]}]}
    thing = {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": meta, "spec": spec}
    async with running(case) as lab:
        await apply(lab, "alice", fix)
        await lab.advance(8)
        async with watched(lab, said) as watch:
            reply = await ask(lab, "admin", "POST", path_of(kind, space), thing)
            await until(lambda: watch._open)

    assert reply.status == 201
    assert [str(each.change.policy) for each in said[:1]] == (
        [] if selects else [f"{kind} {space}{'/' * bool(space)}shut"]
    )
