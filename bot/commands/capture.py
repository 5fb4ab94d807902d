"""`kai capture`: keep what can be seen of a pod's trouble now, before it is over."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.capture import ClusterRecorder, NotEmpty, claim, release, write_case
from bot.clusters.options import live_of
from bot.clusters.target import NoSuchPod
from bot.commands.investigate import TerminalRequest, find_target, flow_asked, world_of
from bot.commands.output import write
from bot.commands.progress import progress
from bot.errors import CouldNotLook, UsageMistake
from bot.report.sanitize import clean
from flows.engine import WalkTools, run
from flows.load import BadFlow
from sensors.kit import Blind
from sensors.kit.catalog import sensors


@dataclass(frozen=True, slots=True)
class Captured:
    """Summary of a capture. `missing` parts are named in case.yaml, each with its reason."""

    folder: Path
    target: str
    objects: int
    messages: int
    missing: tuple[str, ...]


def typed(folder: Path, redact: bool, output: str, **asked: Any) -> int:
    """`kai capture`."""
    live = live_of(asked)
    return capture(TerminalRequest(**asked, live=live), folder, redact=redact, output=output)


def capture(question: TerminalRequest, folder: Path, *, redact: bool, output: str = "text") -> int:
    """Look as an investigation would, and keep the answers. Raises `UsageMistake` or `CouldNotLook`."""
    is_new = not folder.exists()
    try:
        claim(folder)
        done = asyncio.run(_capture(question, folder, redact))
    except (NotEmpty, NoSuchPod, BadFlow) as why:
        raise UsageMistake(str(why)) from why
    except Blind as why:
        raise CouldNotLook(f"could not look: {why}") from why
    finally:
        if is_new:
            release(folder)
    for each in done.missing:
        print(f"not captured: {clean(each)}", file=sys.stderr)  # noqa: T201
    write(_as_json(done) if output == "json" else _in_words(done))
    return 0


def _as_json(done: Captured) -> str:
    return json.dumps({**asdict(done), "folder": str(done.folder)}, indent=2) + "\n"


def _in_words(done: Captured) -> str:
    parts = "1 part missing" if len(done.missing) == 1 else f"{len(done.missing)} parts missing"
    return (
        f"{done.folder}: {clean(done.target)}, {done.objects} objects, {done.messages} hubble messages, {parts}\n"
        f"kai netdebug --case {done.folder}\n"
    )


async def _capture(question: TerminalRequest, folder: Path, redact: bool) -> Captured:
    flow = flow_asked(question)
    async with world_of(question) as (cluster, _):
        found = await find_target(question, cluster)
        if found.note:
            print(clean(found.note), file=sys.stderr)  # noqa: T201
        seen, at = ClusterRecorder(cluster), await cluster.now()
        with progress(len(flow.looks)) as watcher:
            await run(flow, found.target, seen, WalkTools(sensors(), {}), watcher)
        await seen.read_all_kinds()
        environment = await cluster.environment()
    await asyncio.to_thread(write_case, folder, found.target, seen, at, environment, redact=redact)
    objects = sum(map(len, seen.kinds.values()))
    return Captured(folder, str(found.target), objects, len(seen.messages), tuple(sorted(seen.missing)))
