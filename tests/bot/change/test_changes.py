"""Who carries a proposal on: a run of the journal, unless a terminal does so at this very moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bot.approval.person import TERMINAL, Directory
from bot.approval.proposal import Proposal
from bot.approval.rules import Approvals
from bot.approval.states import ProposalState
from bot.change.changes import EVERY_SWEEPS, TERMINAL_TIME, Changes
from bot.change.expiry import Expiry
from bot.change.ports import CannotProve
from bot.change.repository import ForRepository, for_repository
from bot.report.json_result import encode
from bot.store import Ceiling, Investigation, OriginKind, Request
from flows.fixes.jsonpatch import apply
from flows.model import Fix
from tests.bot.change.playing import ALICE, Kai, Play, _as
from tests.bot.change.test_expiry import END, of_time
from tests.bot.change.test_repository import OPEN, POLICY, owned
from tests.bot.report.examples import DENIED


@dataclass
class Journal:
    """Notes which runs were begun; none of them is ever under way."""

    begun: list[str] = field(default_factory=list)

    async def runs(self, ids: list[str]) -> dict[str, Any]:
        return {}

    async def start(self, name: str, run: str, *args: Any) -> None:
        self.begun.append(args[0])


def changes_of(play: Play, kai: Kai) -> Changes:
    nobody: Any = None
    clock = kai.deciding.clock
    expiry = Expiry(play.store, kai.client, kai.pipeline, clock)
    return Changes(play.store, kai.pipeline, kai.deciding, nobody, expiry, lambda: play.rules, nobody, clock=clock)


async def approved(play: Play, kai: Kai) -> Proposal:
    it = await play.propose(of_time(play))
    await kai.deciding.approve(it.id, f"{TERMINAL}alice", _as("U1ALICE"))
    return it


async def sweep(changes: Changes) -> list[str]:
    """One sweep of ours, and what it has begun."""
    journal: Any = Journal()
    for _ in range(EVERY_SWEEPS):
        await changes.sweep(journal)
    return list(journal.begun)


async def test_what_a_terminal_carries_on_is_left_to_it_until_it_is_done(play: Play):
    kai = play.process()
    changes, it = changes_of(play, kai), await approved(play, kai)
    claim = await changes.claim(it.id, f"{TERMINAL}alice")

    meanwhile = await sweep(changes)
    await changes.release(claim)

    assert meanwhile == []
    assert await sweep(changes) == [it.id]


async def test_a_terminal_that_was_killed_is_waited_for_five_minutes_and_no_longer(play: Play):
    kai = play.process()
    changes, it = changes_of(play, kai), await approved(play, kai)
    await changes.claim(it.id, f"{TERMINAL}alice")
    play.time.at += TERMINAL_TIME - timedelta(seconds=1)
    before = await sweep(changes)
    play.time.at += timedelta(seconds=1)

    assert before == []
    assert await sweep(changes) == [it.id]


async def test_of_two_terminals_that_carry_it_on_the_last_one_gives_it_free(play: Play):
    kai = play.process()
    changes, it = changes_of(play, kai), await approved(play, kai)
    first, second = [await changes.claim(it.id, f"{TERMINAL}{who}") for who in ("alice", "bob")]
    await changes.release(first)
    halfway = await sweep(changes)
    await changes.release(second)

    assert halfway == []
    assert await sweep(changes) == [it.id]


async def test_what_was_approved_in_a_terminal_is_taken_back_by_the_first_sweep_after_its_end(play: Play):
    kai = play.process()
    changes, it = changes_of(play, kai), await approved(play, kai)
    claim = await changes.claim(it.id, f"{TERMINAL}alice")
    await kai.pipeline.carry_on(it.id)
    await changes.release(claim)
    play.time.at = END

    await changes.expiry.look()

    assert await play.state(it) is ProposalState.ROLLING_BACK
    assert await sweep(changes) == [it.id]


# -- what GitOps keeps -------------------------------------------------------------------------------------------------


class Proves:
    """What the cluster of now says of a fix; nothing is ever proposed here."""

    def __init__(self, why: str = "") -> None:
        self.why = why

    async def repository(self, fix: Fix, cluster: str) -> ForRepository:
        if self.why:
            raise CannotProve(self.why)
        return for_repository(fix, [(POLICY, apply(POLICY, [OPEN]))])


async def told(play: Play, fix: Fix, proves: Proves) -> list[ForRepository]:
    """What people are told about a verdict with this fix."""
    found: list[ForRepository] = []
    proving: Any = proves
    changes, target = changes_of(play, play.process()), DENIED.target
    changes.proving, changes.rules = proving, lambda: Approvals(Directory({"U1ALICE": ALICE}))

    async def tell(it: Investigation, said: ForRepository) -> None:
        found.append(said)

    changes.tell = tell
    asked = Request(target, "flow.x", OriginKind.SLASH, "U3CAROL", channel="C1")
    await play.store.investigations.admit(asked, "inv1", play.time.at, Ceiling())
    await play.store.investigations.begin("inv1", play.time.at)
    result = encode(replace(DENIED, investigation_id="inv1", fix=fix))
    await play.store.investigations.conclude("inv1", result, (), "verdict", play.time.at)
    await changes.propose("inv1")
    assert await play.store.proposals.of("inv1") == ()
    return found


async def test_of_a_fix_of_what_argo_cd_keeps_the_difference_is_told_and_nothing_proposed(play: Play):
    (said,) = await told(play, owned(), Proves())

    assert said.owners == ("Argo CD checkout",)
    assert "+    - port: 6443" in said.difference


async def test_where_the_objects_of_now_do_not_fit_nothing_is_told(play: Play):
    assert await told(play, owned(), Proves("there is no way to the cluster")) == []
