"""One random story of a proposal: who presses what, what happens in the cluster meanwhile, and when a process dies."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.approval.proposal import Proposal
from bot.approval.rules import Approvals, Rules
from bot.approval.states import UNDER_WAY, ProposalState
from bot.change.marks import fingerprint, mark_of
from bot.store.store import Store
from tests.bot.change.playing import FAILED, HELPED, UNDECIDED, Kai, Play, policy
from tests.bot.change.server import Killed, Write

MOST_ROUNDS = 40


@dataclass
class Story:
    """What happened. `wrong` are broken promises, in sentences; there must be none."""

    seed: int
    ends: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    writes: int = 0
    wrong: list[str] = field(default_factory=list)


async def story(store: Store, seed: int) -> Story:
    """Play it to its end, and examine everything that must hold then."""
    rng, told = random.Random(seed), Story(seed)
    play = Play(store, seed)
    key, other = policy("shop", f"p{seed}"), policy("web", f"p{seed}")
    keys = [key, other] if rng.random() < 0.2 else [key]
    play.rules = Approvals(everywhere=Rules(needed=2 if rng.random() < 0.3 else 1))
    play.verdict = rng.choice([HELPED, HELPED, HELPED, FAILED, UNDECIDED])
    made = len(keys) == 1 and rng.random() < 0.2
    it = await play.propose(*(play.part(each, made, "2026-12-28") for each in keys), investigation=f"inv{seed}")
    for _ in range(rng.randint(1, 4)):
        told.kills += await _one_life(play, it, rng, rng.choice([None, rng.randint(1, 140)]))
    await _to_the_end(play, it)
    await _examine(play, it, told)
    return told


async def _one_life(play: Play, it: Proposal, rng: random.Random, dies_after: int | None) -> bool:
    """A process begins, people press buttons, other things happen; it may die in the midst of it."""
    kai = play.process(dies_after, faults=rng.choice([0.0, 0.0, 0.3]))
    every = await play.store.proposals.of(it.investigation)
    open_ones = [each for each in every if each.purpose.value == "change"]
    acts: list[Coroutine[Any, Any, Any]] = [kai.restart()]
    acts += [_press(kai, rng.choice(open_ones), rng) for _ in range(rng.randint(1, 4))]
    acts += [_meanwhile(play, it, rng) for _ in range(rng.randint(0, 2))]
    said = await asyncio.gather(*acts, return_exceptions=True)
    for each in said:
        if isinstance(each, BaseException) and not isinstance(each, Killed):
            raise each
    return kai.process.dead


async def _press(kai: Kai, it: Proposal, rng: random.Random) -> None:
    person = rng.choice(["U1ALICE", "U1ALICE", "U2BOB", "U3CAROL", "U9MALLORY"])
    presses = [*[kai.approve] * 12, *[kai.undo] * 3, kai.keep, kai.keep, kai.reject]
    what = rng.choice(presses)
    for _ in range(rng.choice([1, 1, 2])):
        await what(it, person)


async def _meanwhile(play: Play, it: Proposal, rng: random.Random) -> None:
    for _ in range(rng.randint(0, 40)):
        await asyncio.sleep(0)
    part = rng.choice(it.parts)
    key = (part.target.kind, part.target.namespace, part.target.name)
    match rng.randint(0, 6):
        case 0:
            there = play.server.objects.get(key)
            play.server.put(key, {**(there or {}).get("spec", {}), "edited": rng.randint(0, 9)})
        case 1 | 2 if key in play.server.objects:
            play.server.touch(key)
        case 3:
            play.policies = f"policies-{rng.randint(1, 3)}"
        case 4:
            who = rng.choice(["alice", "bob"])
            play.server.rights ^= {(who, "shop")}
        case 5:
            play.server.blind = not play.server.blind
        case _:
            play.time.at += timedelta(minutes=rng.choice([1, 10, 31]))


async def _to_the_end(play: Play, it: Proposal) -> None:
    """The last process lives, everything answers again, and it is called as often as its sweep would be."""
    play.server.blind = False
    for _ in range(MOST_ROUNDS):
        await play.time.sleep(2)
        with suppress(Killed):
            await play.process().restart()
        mine = await _all_of(play, it)
        if not any(each.state in UNDER_WAY for each in mine) and all(_told(play, each) for each in mine):
            return


def _told(play: Play, it: Proposal) -> bool:
    return it.purpose.value == "rollback" or it.shown == it.state.value


async def _all_of(play: Play, it: Proposal) -> tuple[Proposal, ...]:
    return await play.store.proposals.of(it.investigation)


# -- what must hold at the end -----------------------------------------------------------------------------------------


async def _examine(play: Play, it: Proposal, told: Story) -> None:
    mine = {each.id: each for each in await _all_of(play, it)}
    told.writes = len(play.server.writes)
    for each in mine.values():
        if each.purpose.value == "change":
            told.ends[each.state.value] += 1
        told.wrong += _about_writes(each, play.server.writes)
        told.wrong += await _about_rights(play, each)
        told.wrong += _about_state(play, each, mine)
    if strange := {each.proposal for each in play.server.writes} - mine.keys():
        told.wrong.append(f"written by no proposal: {strange}")


def _about_writes(it: Proposal, writes: list[Write]) -> list[str]:
    mine = [each for each in writes if each.proposal == it.id]
    counted = Counter(each.key for each in mine)
    said = [f"{it.id}: {count} writes to {key}" for key, count in counted.items() if count > 1]
    exact = [(part.kind, part.target, part.body) for part in it.parts]
    return said + [f"{it.id}: wrote what was not shown" for each in mine if _shape(each) not in exact]


def _shape(write: Write) -> tuple[object, ...]:
    return write.part.kind, write.part.target, write.part.body


async def _about_rights(play: Play, it: Proposal) -> list[str]:
    """Whoever a part was written as had approved this very proposal, or the change that it takes back."""
    events = await play.events(it)
    writers = {each.who for each in play.server.writes if each.proposal == it.id}
    said = []
    if writers and it.purpose.value != "rollback":
        if "approved" not in events or events.index("approved") > events.index("writing"):
            said.append(f"{it.id}: written before it was approved ({events})")
        links = [each async for each in play.store.audit.links(it.id)]
        approved = {name for name in ("alice", "bob") if any(f'"as":"{name}"' in each.entry for each in links)}
        said += [f"{it.id}: written as {each}, who did not approve" for each in writers - approved]
    return said


def _about_state(play: Play, it: Proposal, mine: dict[str, Proposal]) -> list[str]:
    said = []
    if it.state in UNDER_WAY:
        said.append(f"{it.id} is still {it.state.value}")
    if it.purpose.value != "rollback" and play.shown.get(it.id) != it.state.value:
        said.append(f"{it.id} is {it.state.value}, and people see {play.shown.get(it.id)}")
    wrote = {each.key for each in play.server.writes if each.proposal == it.id}
    every = {(part.target.kind, part.target.namespace, part.target.name) for part in it.parts}
    change = it.purpose.value == "change"  # a rollback that was made in part is not verified, and its parent is stuck
    if (it.state is ProposalState.VERIFIED or (change and it.state is ProposalState.NOT_VERIFIED)) and wrote != every:
        said.append(f"{it.id} is {it.state.value}, and {every - wrote} was not written")
    if (
        it.state in (ProposalState.PROPOSED, ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.SUPERSEDED)
        and wrote
    ):
        said.append(f"{it.id} is {it.state.value}, and {wrote} was written")
    if it.state is ProposalState.ROLLED_BACK:
        said += _about_the_way_back(play, it, mine)
    return said


def _about_the_way_back(play: Play, it: Proposal, mine: dict[str, Proposal]) -> list[str]:
    """Rolled back: nothing of it is left, unless somebody else has written the object since."""
    ids = {it.id, *(each.id for each in mine.values() if each.parent == it.id)}
    said = []
    for part in it.parts:
        now = play.server.objects.get((part.target.kind, part.target.namespace, part.target.name))
        is_last = now is not None and mark_of(now) in ids
        last_writes = [each for each in play.server.writes if each.key == _key(part)]
        ours = is_last and last_writes and last_writes[-1].proposal in ids and not _edited(now)
        if ours and fingerprint(now) != part.fingerprint:
            said.append(f"{it.id} is rolled back, and {part.target} is not as it was")
    return said


def _key(part: Any) -> tuple[str, str, str]:
    return part.target.kind, part.target.namespace, part.target.name


def _edited(now: Any) -> bool:
    return "edited" in now.get("spec", {})
