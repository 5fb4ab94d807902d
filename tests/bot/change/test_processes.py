"""Real processes: killed with SIGKILL around the one write, and two bots on which alice presses at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.approval.proposal import Proposal
from bot.approval.states import ProposalState
from tests.bot.change.killing import Kais, kais
from tests.bot.store.postgres import new_database, server

FEW = ("write 1 before", "write 1 after")
"""The two that differ most: nothing has gone out, and all has gone out with nobody knowing."""

MOMENTS = (
    "approve 1 after",
    "review 2 after",
    "dry_run 1 after",
    "move 1 after",
    *FEW,
    "write 1 during",
    "keep_written 1 after",
    "move 2 before",
    "move 3 before",
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with server() as url:
        yield url


async def killed(it: Kais, moment: str) -> Proposal:
    """A process that dies at the moment, and the next one, which carries on by itself what it finds."""
    proposal, before = await it.propose(), 0
    before = it.writes(proposal)
    code, _ = await it.end(await it.begin(proposal, "approve", dies_at=moment))
    after_death = it.writes(proposal)
    await it.end(await it.begin(proposal))
    found = await it.store.proposals.get(proposal.id)
    assert found is not None
    assert code == -9, f"{moment}: it lived"
    wrote = it.writes(proposal) - before
    assert wrote == (1 if found.state is ProposalState.VERIFIED else 0), f"{moment}: {wrote} writes, {found.state}"
    assert found.state in (ProposalState.VERIFIED, ProposalState.PROPOSED), f"{moment}: {found.state} ({found.why})"
    assert (it.mark(proposal) == proposal.id) is (found.state is ProposalState.VERIFIED), moment
    if after_death > before:
        assert found.state is ProposalState.VERIFIED, f"{moment}: written, and not known"
    events = [each["event"] for each in await it.trail(proposal)]
    assert events.count("writing") <= 1, f"{moment}: {events}"
    return found


async def taken_back(it: Kais, proposal: Proposal) -> None:
    if proposal.state is ProposalState.VERIFIED:
        await it.end(await it.begin(proposal, "undo"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", [pytest.param(FEW[0], marks=pytest.mark.slow), FEW[1]])
async def test_killed_around_the_write_the_next_process_knows_what_is_so(moment: str, tmp_path: Path) -> None:
    async with kais(f"sqlite:///{tmp_path}/kai.db") as it:
        found = await killed(it, moment)

    assert (found.state is ProposalState.VERIFIED) is (moment == "write 1 after")


@pytest.mark.crash
@pytest.mark.timeout(1200)
async def test_killed_at_each_moment_of_an_approval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = dict[str, str]()
    async with kais(f"sqlite:///{tmp_path}/kai.db") as it:
        for moment in MOMENTS:
            found = await killed(it, moment)
            ends[moment] = found.state.value
            await taken_back(it, found)
    with capsys.disabled():
        print(f"\n{len(ends)} processes killed with SIGKILL, at most one write each:")
        print("\n".join(f"  {moment}: {end}" for moment, end in ends.items()))


@pytest.mark.postgres
@pytest.mark.timeout(240)
async def test_of_ten_presses_on_two_bots_one_is_written_and_of_ten_undos_one(postgres_server: str) -> None:
    async with kais(new_database(postgres_server)) as it:
        proposal = await it.propose()
        before = it.writes(proposal)
        approved = await both(it, proposal, "approve")
        done, wrote = await it.store.proposals.get(proposal.id), it.writes(proposal) - before
        undone = await both(it, proposal, "undo")
        back = await it.store.proposals.get(proposal.id)
        events = [each["event"] for each in await it.trail(proposal)]
        children = await it.store.proposals.children(proposal.id)

    assert (done and done.state, wrote) == (ProposalState.VERIFIED, 1)
    assert [each for each in approved if each.startswith("Approved: ")] == approved[:1]
    assert len(approved) == len(undone) == 10
    assert all("nothing was done" in each for each in approved[1:])
    assert (back and back.state, it.writes(proposal) - before) == (ProposalState.ROLLED_BACK, 2)
    assert [each for each in undone if each == "It is being taken back."] == ["It is being taken back."]
    assert (events.count("writing"), events.count("approved"), len(children)) == (1, 1, 1)
    assert events.count("refused") == 18


async def both(it: Kais, proposal: Proposal, press: str) -> list[str]:
    """Five presses on each of two bots at once; what alice was told, the good news first."""
    processes = [await it.begin(proposal, press, presses=5) for _ in range(2)]
    ended = await asyncio.gather(*map(it.end, processes))
    assert [code for code, _ in ended] == [0, 0]
    told = [each for _, said in ended for each in said]
    return sorted(told, key=lambda each: not each.startswith(("Approved", "It is being")))
