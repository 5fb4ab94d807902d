"""Puts changes together over a living cluster: KAI's own account reads, and `bot.patch` writes as the approver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from bot.approval.proposal import Proposal
from bot.approval.rules import Approvals
from bot.change.changes import Changes, TellRepository, tell_no_repository
from bot.change.deciding import Deciding
from bot.change.expiry import Expiry
from bot.change.orders import ClusterConnection, Orders
from bot.change.pipeline import Pipeline, PipelineTools
from bot.change.ports import ShowProposal, nobody
from bot.change.proving import Proving
from bot.clusters.connecting import connected
from bot.clusters.options import Live
from bot.errors import UsageMistake
from bot.patch import open_writer
from bot.store.store import Store
from bot.verify.looking import MAX_OTHER_PODS, VERIFY_TIMEOUT_S, Clock, Eyes, OpenNamed, asked, watch
from bot.verify.verdict import TrafficSince, Verification
from flows.runner import ThreadRunner, WorkRunner
from sensors.kit import Blind, Sensor, Target

LiveOf: TypeAlias = Callable[[str], Live]
"""The way to a cluster by its name. Raises `Blind` for one that is not looked after here."""


def changes_on(
    live: LiveOf,
    open_cluster: OpenNamed,
    sensors: Mapping[str, Sensor],
    store: Store,
    rules: Callable[[], Approvals],
    show: ShowProposal = nobody,
    team: str = "",
    clock: Clock | None = None,
    own: bool = False,
    within: float = VERIFY_TIMEOUT_S,
    tell: TellRepository = tell_no_repository,
    runner: WorkRunner | None = None,
) -> Changes:
    """Everything, for all clusters: each proposal acts on its own and on no other.

    `own`: the credentials are a person's own, and nobody is impersonated.

    `within`: seconds after a write until a change that does not help is taken back. `runner` replays the connections.
    """
    clock = clock or Clock()
    orders = Orders(lambda cluster: _line(live, cluster), own)
    proving = Proving(open_cluster, sensors, orders, runner or ThreadRunner())
    verifying = _Verifying(open_cluster, sensors, clock, within)
    pipeline = Pipeline(PipelineTools(store, orders, proving, verifying, show, clock))
    deciding = Deciding(store, orders, pipeline, rules, clock)
    expiry = Expiry(store, orders, pipeline, clock)
    return Changes(store, pipeline, deciding, proving, expiry, rules, orders.may_read_logs, team, clock, tell)


@asynccontextmanager
async def _line(live: LiveOf, cluster: str) -> AsyncIterator[ClusterConnection]:
    try:
        async with connected(live(cluster)) as kube, open_writer(kube.place) as writer:
            yield ClusterConnection(kube, writer)
    except UsageMistake as why:
        raise Blind(str(why)) from why


class _Verifying:
    """The pipeline's `Verify` on the proposal's own cluster."""

    def __init__(self, open_cluster: OpenNamed, sensors: Mapping[str, Sensor], clock: Clock, within: float) -> None:
        self._open, self._sensors, self._clock, self._within = open_cluster, sensors, clock, within

    async def __call__(self, it: Proposal, since: datetime) -> Verification:
        target, every = asked(it), neighbours(it)
        others = every[:MAX_OTHER_PODS]
        eyes = Eyes(partial(self._open, it.cluster), self._sensors)

        async def see(moment: datetime) -> TrafficSince:
            return await eyes.see(target, others, moment)

        said = await watch(see, it.proved.flows, it.denied, since, self._clock, self._within)
        return replace(said, looked_at=1 + len(others), concerned=1 + len(every))


def neighbours(it: Proposal) -> tuple[Target, ...]:
    """The pods on the other side of the proved connections: a policy there selects them."""
    names = [name for each in it.proved.flows for name in (each.source, each.destination) if "/" in name]
    pods = [Target(pod, space) for space, _, pod in (name.partition("/") for name in dict.fromkeys(names))]
    return tuple(each for each in pods if (each.pod, each.namespace) != (it.target.pod, it.target.namespace))
