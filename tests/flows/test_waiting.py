"""What a look waits for: silent peers, listening and reading go side by side, and what comes last decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.engine import WalkTools, look
from flows.load import load_flows
from flows.model import Case
from sensors.access.casefolder import CaseFolder
from sensors.access.probe.agent import CONNECT_TIMEOUT_S
from sensors.access.relay import RelayLimits
from sensors.hubble.lines import FlowQuestion
from sensors.hubble.records import HubbleFlow, HubbleMessage
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit import Connect, Dial
from sensors.kit.catalog import sensors
from sensors.net_connect import Connects
from tests.flows.variants.running import diagnose
from tests.kit.cases import case, case_of, names, target_of
from tests.kit.clock import in_faked_time

FLOW = load_flows()["flow.k8s_network_debug"]
READING_S, HISTORY_S = 0.3, 0.2
LIMITS = RelayLimits()


class Patient:
    """A recording that takes its time as a living cluster does: files, history, listening, silent peers."""

    def __init__(self, recorded: CaseFolder) -> None:
        self._recorded = recorded
        self._files: asyncio.Task[None] | None = None
        self.listened: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorded, name)

    async def pod_file(self, *who: str) -> str:
        self._files = self._files or asyncio.create_task(asyncio.sleep(READING_S))  # the probe brings all at once
        await asyncio.shield(self._files)
        return await self._recorded.pod_file(*who)

    async def connects(self, namespace: str, pod: str, dials: Sequence[Dial]) -> tuple[Connect, ...]:
        rows = await self._recorded.connects(namespace, pod, dials) if dials else ()
        if rows:
            await asyncio.sleep(CONNECT_TIMEOUT_S if any(each.result == "timeout" for each in rows) else 0.01)
        return rows

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        self.listened.append(question.listen)
        await asyncio.sleep(HISTORY_S)
        async for batch in self._recorded.hubble_flows(question):
            yield batch
        await asyncio.sleep(LIMITS.follow if question.listen else 0)


def looked(name: str, *, asked: bool) -> tuple[Case, float, Patient]:
    recorded = case(name)
    target = target_of(recorded)
    target = target if asked else replace(target, to_host=None, to_port=None)
    cluster = Patient(recorded)
    loop_time = lambda: asyncio.get_running_loop().time()  # noqa: E731
    seen, seconds = in_faked_time(look(FLOW, target, cluster, WalkTools(sensors(), {}, loop_time)))
    return seen, seconds, cluster


@pytest.mark.parametrize("asked", [True, False])
def test_silent_peers_and_listening_cost_the_longer_of_the_two_and_not_their_sum(asked):
    seen, seconds, _ = looked("checkout-to-bank", asked=asked)

    assert any(each.result == "timeout" for each in seen[Connects].doors)
    waits = [CONNECT_TIMEOUT_S + READING_S, LIMITS.follow + HISTORY_S]
    assert max(waits) <= seconds <= max(waits) + READING_S + HISTORY_S < sum(waits)


def test_one_question_listens_and_the_one_for_what_a_pod_talks_to_does_not():
    _, _, cluster = looked("checkout-to-bank", asked=False)

    assert sorted(cluster.listened) == [False, True]


@pytest.mark.parametrize("name", names())
def test_the_flows_that_listening_to_its_limit_would_add_change_no_verdict(name):
    """Early is at worst `follow - echo` seconds before the limit: the verdict is the same without those flows."""
    whole = diagnose(case_of(name))

    early = diagnose(without_newest(name, LIMITS.follow - LIMITS.echo))

    assert (early.cause_class, early.component, early.fix.patch) == (
        whole.cause_class,
        whole.component,
        whole.fix.patch,
    )


def test_some_flows_are_told_so_late():
    cut = {
        name: case_of(name)[HubbleFlows].flows - without_newest(name, 0.9)[HubbleFlows].flows for name in names()[:8]
    }

    assert any(cut.values())


def without_newest(name: str, seconds: float) -> Case:
    recorded = case(name)
    cluster = Cut(recorded, seconds)
    seen, _ = in_faked_time(look(FLOW, target_of(recorded), cluster, WalkTools(sensors(), {})))
    return seen


class Cut(Patient):
    """A recording whose newest flows never came."""

    def __init__(self, recorded: CaseFolder, seconds: float) -> None:
        super().__init__(recorded)
        self._seconds = seconds

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        batches = [batch async for batch in self._recorded.hubble_flows(question)]
        times = [each.time for batch in batches for each in batch if isinstance(each, HubbleFlow) and each.time]
        ends = max(times) - timedelta(seconds=self._seconds) if times else None
        for batch in batches:
            yield [each for each in batch if not (isinstance(each, HubbleFlow) and each.time and each.time > ends)]
