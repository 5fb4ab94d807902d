"""A desk in a process of its own, for those who kill it: `python -m tests.bot.desk.child URL FOLDER COUNT`.

It asks for COUNT investigations of recorded incidents (again at each start, as Slack would), and ends when all of them
are over and everything about them is said. Then there is a file `done` in FOLDER.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bot.desk.desk import Desk
from bot.desk.limits import Limits
from bot.desk.opening import open_desk
from bot.desk.ports import LookFor, LookResult, Watcher
from bot.store import Ceiling, Investigation, OriginKind, Request
from bot.store.store import open_store
from tests.bot.desk.actors import FLOW, FilePoster, die_once, looking, recordings

CLUSTERS = tuple(f"cluster-{number}" for number in range(18))
LIMITS = Limits(Ceiling(1000, 1000, 1000), each_process=6, each_namespace=6)
LOOKS = 60
"""More than there are kills: here, no investigation may be given up."""

POISON = os.environ.get("POISON_POD", "")


async def main(url: str, folder: Path, count: int) -> None:
    known = recordings()
    look = deadly(looking(known), folder)
    poster = FilePoster(folder / "posts.jsonl")
    looks = 3 if POISON else LOOKS
    async with open_desk(url, look, poster, limits=LIMITS, clusters=CLUSTERS, looks=looks) as desk:
        await ask(desk, [each.header.target for each in known.folders.values()], count)
        await until_said(url, count)
    (folder / "done").touch()


async def ask(desk: Desk, targets: list, count: int) -> None:  # type: ignore[type-arg]
    for number in range(count):
        cluster, target = CLUSTERS[number // len(targets)], targets[number % len(targets)]
        await desk.start(Request(target, FLOW, OriginKind.ALERT, f"U{number}", cluster), once=f"alert-{number}")


async def until_said(url: str, count: int) -> None:
    async with open_store(url) as store:
        while True:
            rows = await store.investigations.recent(count + 1)
            said = [await store.messages.of(it.id) for it, _ in rows if not it.is_live]
            if len(said) == count and all(each.posted for messages in said for each in messages):
                return
            await asyncio.sleep(0.2)


def deadly(look: LookFor, folder: Path) -> LookFor:
    """One pod's look takes the whole process with it, always; any look may, once, when it has seen everything."""

    async def careful(it: Investigation, watcher: Watcher) -> LookResult:
        if it.request.target.pod == POISON:
            os._exit(9)
        looked = await look(it, watcher)
        die_once("after-look", folder)
        return looked

    return careful


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
