"""`kai audit`: every entry of the audit, a line of JSON each; `kai audit verify`: is the trail as it was written?"""

from __future__ import annotations

import asyncio
import json

import click

from bot.approval.trail import Head, TrailEntry, faults, line
from bot.commands.output import as_data, as_yaml, write
from bot.errors import CouldNotLook, UsageMistake
from bot.store.database import BadDatabase, Unreachable, file_of
from bot.store.location import default_url
from bot.store.store import open_store


def audit(action: str, proposal: str, head: str, database: str | None, output: str = "text") -> int:
    """Exit code 1 where an entry was changed, removed or moved, or where the trail does not hold the given head."""
    links, kept = _read(database, "" if action else proposal)
    if action:
        return _examined(links, kept, head, output)
    if output == "yaml":
        write(as_yaml([json.loads(line(each)) for each in links]))
        return 0
    for each in links:
        write(f"{line(each)}\n")
    return 0


def _examined(links: list[TrailEntry], kept: Head, head: str, output: str) -> int:
    found = faults(links, kept)
    if head and head not in {each.hash for each in links}:
        found.append(f"no entry has the hash {head[:16]}, which was the head when it was noted")
    if output != "text":
        said = {"whole": not found, "entries": len(links), "head": kept.hash, "faults": found}
        write(as_data(said, output))
        return 1 if found else 0
    for each in found:
        click.echo(each, err=True)
    count = "1 entry" if len(links) == 1 else f"{len(links)} entries"
    faulty = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    write(f"the audit has {faulty} in {count}\n" if found else f"the audit is whole: {count}, head {kept.hash}\n")
    return 1 if found else 0


def _read(database: str | None, proposal: str) -> tuple[list[TrailEntry], Head]:
    url = database or default_url()
    try:
        if (path := file_of(url)) is not None and not path.exists():
            raise UsageMistake(f"there is no {path} (--database says where KAI remembers)")
        return asyncio.run(_links(url, proposal))
    except BadDatabase as why:
        raise UsageMistake(str(why)) from why
    except Unreachable as why:
        raise CouldNotLook(str(why)) from why


async def _links(url: str, proposal: str) -> tuple[list[TrailEntry], Head]:
    async with open_store(url) as store:
        head = await store.audit.head()
        return [each async for each in store.audit.links(proposal)], head
