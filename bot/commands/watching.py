"""`kai netdebug --watch` on the living cluster: one walk after the other, until the answer turns or Ctrl-C."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import cast

from bot.clusters.target import NoSuchPod
from bot.commands.investigate import TerminalRequest, find_target, flow_asked, world_of
from bot.commands.output import Style, say, write
from bot.commands.progress import progress
from bot.commands.watch import Lap, Watched, follow
from bot.errors import COULD_NOT_LOOK, CouldNotLook, UsageMistake
from bot.verify.looking import Clock, Since
from bot.verify.moment import moment_of
from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.load import BadFlow, Flow
from flows.model import Diagnosis
from sensors.kit import Blind, Cluster
from sensors.kit.catalog import sensors


def keep_watching(question: TerminalRequest, every: float) -> int:
    """Until the answer turns, or Ctrl-C; the exit code is that of the last verdict."""
    if question.case is not None or question.output != "text" or question.show_brief:
        raise UsageMistake("--watch looks at a living cluster and says each change in a line: no --case, no -o")
    watched = Watched()
    try:
        asyncio.run(_watch(question, watched, every))
    except KeyboardInterrupt:
        if watched.code is None:
            raise
    except (BadFlow, NoSuchPod) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    return COULD_NOT_LOOK if watched.code is None else watched.code


async def _watch(question: TerminalRequest, watched: Watched, every: float) -> None:
    flow = flow_asked(question)

    async def walk(since: datetime | None) -> Lap:
        return await _walk(question, flow, since)

    def report(diagnosis: Diagnosis) -> None:
        say(diagnosis, Style(question.output, question.verbose, question.quiet, remembered=False))
        write(f"\nWatching every {every:g} s until that changes; Ctrl-C ends it.\n")

    await follow(watched, walk, report, lambda line: write(f"{line}\n"), Clock(), every)


async def _walk(question: TerminalRequest, flow: Flow, since: datetime | None) -> Lap:
    """Over a connection of its own: a cluster may be away for a while. Raises `Blind`."""
    async with world_of(question) as (cluster, _):
        began = await cluster.now()
        seen = cluster if since is None else cast(Cluster, Since(cluster, since))
        try:
            target = (await find_target(question, cluster)).target
        except NoSuchPod as why:
            raise (why if since is None else Blind(str(why))) from why  # it may be on its way back
        with progress(len(flow.looks)) as watcher:
            found = await run(flow, target, seen, WalkTools(sensors(), rules()), watcher)
        return Lap(found, moment_of(found.evidence.values()), began)
