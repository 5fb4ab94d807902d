"""`kai drops NAMESPACE`: every denied pair of workloads of a namespace, by the rule that is missing."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.clusters.options import CASE_OR_CLUSTER, Live, live_of
from bot.clusters.window import since_of
from bot.commands.output import as_yaml, say_sections, write
from bot.commands.progress import progress
from bot.commands.recipe import flow_named
from bot.errors import COULD_NOT_LOOK, FAULT, NO_FAULT, CouldNotLook, UsageMistake
from bot.report.drops import encode, is_clear, render, sections
from flows.catalog import rules
from flows.drops import POLICY_DROPS_FLOW, NamespaceDrops, NoSuchNamespace, look_at_namespace, of_namespace
from flows.engine import WalkTools
from flows.load import FLOW_SENSOR, Flow
from sensors.access.casefolder import BadCase, open_case
from sensors.kit import Blind, Cluster
from sensors.kit.catalog import sensors


def drops(
    space: str, namespace: str | None, case: Path | None, since: str | None, verbose: bool, output: str, **asked: Any
) -> int:
    """Exit code 1 where a policy drops packets, 0 where none does, 3 where that was not measured."""
    live = live_of(asked)
    if space and namespace and space != namespace:
        raise UsageMistake(f"two namespaces, {space!r} and {namespace!r} after -n: leave one out")
    window = since_of(since)
    flow = flow_named(POLICY_DROPS_FLOW).asking(FLOW_SENSOR, since=window.total_seconds() if window else None)
    try:
        found = asyncio.run(_look(flow, space or namespace or "", case, live))
    except (BadCase, NoSuchNamespace) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    _say(found, output, verbose, case)
    return exit_code(found)


def exit_code(it: NamespaceDrops) -> int:
    if it.rules:
        return FAULT
    return NO_FAULT if is_clear(it) else COULD_NOT_LOOK


async def _look(flow: Flow, space: str, case: Path | None, live: Live) -> NamespaceDrops:
    tools = WalkTools(sensors(), rules())
    async with _cluster(case, live) as (cluster, usual):
        with progress(len(of_namespace(flow, tools.sensors).looks)) as watcher:
            return await look_at_namespace(flow, space or usual, cluster, tools, watcher)


@asynccontextmanager
async def _cluster(case: Path | None, live: Live) -> AsyncIterator[tuple[Cluster, str]]:
    """The recording or the living cluster, and the namespace that is meant where none was named."""
    if case is None:
        from bot.clusters.connecting import opened  # the living cluster's clients, which no recording needs

        async with opened(live) as cluster:
            yield cluster, str(cluster.kube.namespace)
        return
    if live.names_a_cluster:
        raise UsageMistake(CASE_OR_CLUSTER)
    recorded = open_case(case)
    target = recorded.header.target
    if target is None:
        raise UsageMistake("this case names no target: say the namespace, as in kai drops NAMESPACE --case DIR")
    yield recorded, target.namespace


def _say(it: NamespaceDrops, output: str, verbose: bool, case: Path | None) -> None:
    if output != "text":
        return write(render(it) if output == "json" else as_yaml(encode(it)))
    also = f" --case {shlex.quote(str(case))}" if case else ""
    more = f"recorded {it.at:%Y-%m-%d %H:%M:%S} UTC ({case.resolve().name})" if case else ""
    return say_sections(sections(it, verbose=verbose, also=also, more=more))
