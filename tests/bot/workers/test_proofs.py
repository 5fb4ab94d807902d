"""Proofs of changes come back from a worker as they come back from a thread."""

from __future__ import annotations

import pytest

from bot.change.ports import CannotProve
from bot.change.proving import _parts, fresh
from bot.watch.changes import PolicyChange
from bot.watch.proving import taken_back
from bot.workers import WorkerPool
from bot.workers.process import ROOT
from flows.catalog import rules
from flows.engine import Walk, WalkTools, walk
from flows.load import load_flows
from flows.model import Case, Component, ManifestFix
from flows.runner import ThreadRunner
from sensors.access.casefolder import open_case
from sensors.k8s_network_policies import Policies
from sensors.kit.catalog import sensors
from tests.bot.workers.test_pool import pool


async def walked(name: str) -> Walk:
    opened = open_case(ROOT / "lab" / "cases" / name)
    assert opened.header.target is not None
    return await walk(
        load_flows()["flow.k8s_network_debug"], opened.header.target, opened, WalkTools(sensors(), rules())
    )


async def by_both(workers: WorkerPool, work, *arguments):
    by_thread, by_worker = [await each(work, *arguments) for each in (ThreadRunner(), workers)]
    assert by_worker == by_thread
    return by_worker


async def test_a_change_is_proved_by_a_worker_as_by_a_thread():
    it = await walked("api-server-cannot-watch")
    assert isinstance(it.diagnosis.fix, ManifestFix)
    async with pool() as workers:
        proved = await by_both(workers, fresh, it.case, list(_parts(it.diagnosis.fix)), [it.diagnosis.fix.manifest])
    assert (proved.why, bool(proved.proved.flows)) == ("", True)


async def test_the_way_back_is_tried_by_a_worker_as_by_a_thread():
    it = await walked("api-server-cannot-watch")
    policy = next(each for each in it.case[Policies].objects if each["metadata"]["name"] == "strict-egress")
    change = PolicyChange(Component("NetworkPolicy", "production", "strict-egress"), "", it.case.at, "", None, policy)
    async with pool() as workers:
        said = await by_both(workers, taken_back, it.case, change)
    assert said.proof.replayed == said.proof.allowed_after > 0


async def test_what_cannot_be_proved_is_refused_in_the_same_words():
    it = await walked("api-server-cannot-watch")
    unseen, said = Case(it.case.target, it.case.environment, it.case.at, {}), []
    async with pool() as workers:
        for each in (ThreadRunner(), workers):
            with pytest.raises(CannotProve) as why:
                await each(fresh, unseen, [], [])
            said.append(str(why.value))
    assert said[0] == said[1] != ""
