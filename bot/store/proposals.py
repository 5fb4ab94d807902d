"""Proposals in the database: each step compared and set in one transaction, with its entry in the audit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.approval.decision import Standing
from bot.approval.proposal import (
    Approval,
    KubeUser,
    ProofRecord,
    Proposal,
    ProposalLocation,
    Purpose,
    Tuple5,
    canonical,
    digest_of,
    part_json,
    part_of,
)
from bot.approval.states import IN_FORCE, OPEN, UNDER_WAY, ProposalState
from bot.approval.trail import TrailEvent, TrailNote
from bot.store.audit import written_down
from bot.store.database import Database
from bot.store.packing import plain
from bot.store.schema import approvals, proposals
from bot.store.transitions import PROPOSAL
from sensors.kit import Target

Written = Sequence[tuple[str, str] | None]


class Forged(Exception):
    """The patch in the database is not the one that was hashed. It is never applied."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Result of an approval: `standing` None means that the proposal was not open any more."""

    proposal: Proposal
    standing: Standing | None


class Proposals:
    """Times are passed in; they are in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        it: Proposal,
        notes: Sequence[TrailNote],
        now: datetime,
        instead_of: str = "",
        given: Sequence[Approval] = (),
    ) -> bool:
        """Take a proposal in, with approvals where it has some; the one that it replaces is superseded with it.

        False, and nothing is kept, when that one is not waiting any more: somebody was faster.
        """
        async with self._database.writing() as connection:
            if instead_of and not await self._supersede(connection, instead_of, it.id, now):
                return False
            await self._insert(connection, it, given, now)
            await written_down(self._database, connection, it.id, notes, now)
            return True

    async def _insert(
        self, connection: AsyncConnection, it: Proposal, given: Sequence[Approval], now: datetime
    ) -> None:
        await connection.execute(proposals.insert().values(_row(it, now)))
        for each in given:
            await self._keep(connection, it.id, each)

    async def _supersede(self, connection: AsyncConnection, old: str, new: str, now: datetime) -> bool:
        await self._alone(connection, old)
        if not await PROPOSAL.change(connection, old, ProposalState.SUPERSEDED, why=f"replaced by {new}", moved_at=now):
            return False
        await written_down(self._database, connection, old, [TrailNote(TrailEvent.SUPERSEDED, "kai", {"by": new})], now)
        return True

    async def approve(
        self,
        proposal: str,
        approval: Approval,
        decide: Callable[[Proposal, Sequence[Approval]], Standing],
        note: TrailNote,
        now: datetime,
    ) -> Counted | None:
        """Count a yes. With the last one that was needed the proposal becomes approved: for exactly one caller.

        None: no such proposal. The note is written whenever the approval is counted.
        """
        async with self._database.writing() as connection:
            await self._alone(connection, proposal)
            it = await _one(connection, proposal)
            if it is None or it.state not in OPEN or now >= it.expires_at or approval.sha256 != it.sha256:
                return None if it is None else Counted(it, None)
            await self._keep(connection, proposal, approval)
            standing = decide(it, await _approvals(connection, proposal))
            if standing.enough:
                await PROPOSAL.change(connection, proposal, ProposalState.APPROVED, why="", moved_at=now)
            await written_down(self._database, connection, proposal, [note], now)
            after = await _one(connection, proposal)
            return Counted(after or it, standing)

    async def _keep(self, connection: AsyncConnection, proposal: str, it: Approval) -> None:
        key = {"proposal": proposal, "person": it.person}
        row = {"kube_user": it.who.name, "kube_groups": json.dumps(it.who.groups), "covers": json.dumps(it.covers)}
        values: dict[str, Any] = {**row, "sha256": it.sha256, "at": it.at}
        say = self._database.insert(approvals).values(**key, **values)
        await connection.execute(say.on_conflict_do_update(index_elements=["proposal", "person"], set_=values))

    async def move(
        self,
        proposal: str,
        before: ProposalState,
        after: ProposalState,
        note: TrailNote,
        now: datetime,
        why: str = "",
        written: Written | None = None,
        denied: Iterable[Tuple5] | None = None,
    ) -> bool:
        """Compare and set. False when it was not in that state any more. Back at `proposed` no approval is left."""
        values: dict[str, Any] = {"why": plain(why), "moved_at": now}
        values |= {} if written is None else {"written": json.dumps(list(written))}
        values |= {} if denied is None else {"denied": _flows(denied)}
        async with self._database.writing() as connection:
            await self._alone(connection, proposal)
            if not await PROPOSAL.change(connection, proposal, after, (before,), **values):
                return False
            if after is ProposalState.PROPOSED:
                await connection.execute(delete(approvals).where(approvals.c.proposal == proposal))
            await written_down(self._database, connection, proposal, [note], now)
            return True

    async def keep_written(self, proposal: str, written: Written, note: TrailNote, now: datetime) -> None:
        """Keeps what is written so far, while it is being applied."""
        this = (proposals.c.id == proposal) & (proposals.c.state == ProposalState.APPLYING.value)
        async with self._database.writing() as connection:
            await connection.execute(update(proposals).where(this).values(written=json.dumps(list(written))))
            await written_down(self._database, connection, proposal, [note], now)

    async def roll_back(
        self, parent: Proposal, child: Proposal, given: Sequence[Approval], notes: Sequence[TrailNote], now: datetime
    ) -> bool:
        """Begin to take a change back: its rollback is taken in, approved by those who may, in the same transaction.

        False when the change is not in the state any more in which it was read.
        """
        values = {"why": plain(parent.why), "moved_at": now}
        async with self._database.writing() as connection:
            await self._alone(connection, parent.id)
            if not await PROPOSAL.change(connection, parent.id, ProposalState.ROLLING_BACK, (parent.state,), **values):
                return False
            await self._insert(connection, child, given, now)
            await written_down(self._database, connection, parent.id, notes, now)
            return True

    async def extend(self, child: Proposal, notes: Sequence[TrailNote], now: datetime) -> bool:
        """Take in a proposal that changes until when its parent stays.

        False, and nothing is kept, when the parent does not stand any more, or another one is decided about already.
        """
        standing = [each.value for each in IN_FORCE]
        open_ = [each.value for each in OPEN | UNDER_WAY]
        parent = (proposals.c.id == child.parent) & proposals.c.state.in_(standing)
        other = _of_parent(child.parent, Purpose.EXTENSION).where(proposals.c.state.in_(open_))
        async with self._database.writing() as connection:
            await self._alone(connection, child.parent)
            stands = (await connection.execute(select(proposals.c.id).where(parent))).first()
            if stands is None or (await connection.execute(other)).first() is not None:
                return False
            await self._insert(connection, child, (), now)
            await written_down(self._database, connection, child.id, notes, now)
            return True

    async def was_shown(self, proposal: str, state: str) -> None:
        """Its card shows this state now."""
        async with self._database.writing() as connection:
            await connection.execute(update(proposals).where(proposals.c.id == proposal).values(shown=state))

    async def to_show(self, settled: datetime, most: int = 50) -> tuple[Proposal, ...]:
        """Proposals in a state since `settled` or longer that their card does not show; rollbacks have no card."""
        behind = (proposals.c.shown != proposals.c.state) & (proposals.c.purpose != Purpose.ROLLBACK.value)
        behind &= proposals.c.moved_at <= settled
        return await self._many(select(proposals).where(behind).limit(most))

    async def stand(self, proposal: str, place: ProposalLocation) -> None:
        """Location of its message."""
        values = {"team": place.team, "channel": place.channel, "thread": place.thread, "ts": place.ts}
        async with self._database.writing() as connection:
            this = proposals.c.id == proposal
            await connection.execute(update(proposals).where(this).values(**values))

    async def joined(self, investigation: str, person: str, note: TrailNote, now: datetime) -> None:
        """Somebody asked the same, or ran it again: of two persons, they are no second one."""
        waiting = select(proposals.c.id).where(
            (proposals.c.investigation == investigation) & (proposals.c.state == ProposalState.PROPOSED.value)
        )
        async with self._database.writing() as connection:
            for key in (await connection.execute(waiting)).scalars().all():
                await self._alone(connection, key)
                it = await _one(connection, key)
                if it is not None and person not in it.asked_by:
                    everyone = json.dumps([*it.asked_by, person])
                    await connection.execute(update(proposals).where(proposals.c.id == key).values(asked_by=everyone))
                    await written_down(self._database, connection, key, [note], now)

    async def get(self, proposal: str) -> Proposal | None:
        """By its whole id only. Raises `Forged`."""
        async with self._database.reading() as connection:
            return await _one(connection, proposal)

    async def of(self, investigation: str) -> tuple[Proposal, ...]:
        """All of an investigation, oldest first."""
        return await self._many(select(proposals).where(proposals.c.investigation == investigation))

    async def children(self, parent: str) -> tuple[Proposal, ...]:
        """The rollbacks of a proposal, oldest first."""
        return await self._many(_of_parent(parent, Purpose.ROLLBACK))

    async def extensions(self, parent: str) -> tuple[Proposal, ...]:
        """Proposals about its end, oldest first."""
        return await self._many(_of_parent(parent, Purpose.EXTENSION))

    async def in_states(self, states: Iterable[ProposalState]) -> tuple[Proposal, ...]:
        return await self._many(select(proposals).where(proposals.c.state.in_([each.value for each in states])))

    async def approvals(self, proposal: str) -> tuple[Approval, ...]:
        async with self._database.reading() as connection:
            return await _approvals(connection, proposal)

    async def _many(self, rows: Select[Any]) -> tuple[Proposal, ...]:
        async with self._database.reading() as connection:
            found = await connection.execute(rows.order_by(proposals.c.created_at, proposals.c.id))
            return tuple(_proposal(row) for row in found)

    async def _alone(self, connection: AsyncConnection, proposal: str) -> None:
        await self._database.one_at_a_time(connection, f"proposal {proposal}")


def _of_parent(parent: str, purpose: Purpose) -> Select[Any]:
    return select(proposals).where((proposals.c.parent == parent) & (proposals.c.purpose == purpose.value))


async def _one(connection: AsyncConnection, proposal: str) -> Proposal | None:
    row = (await connection.execute(select(proposals).where(proposals.c.id == proposal))).one_or_none()
    return None if row is None else _proposal(row)


async def _approvals(connection: AsyncConnection, proposal: str) -> tuple[Approval, ...]:
    rows = select(approvals).where(approvals.c.proposal == proposal).order_by(approvals.c.at, approvals.c.person)
    return tuple(
        Approval(
            row.person,
            KubeUser(row.kube_user, tuple(json.loads(row.kube_groups))),
            tuple(json.loads(row.covers)),
            row.sha256,
            row.at,
        )
        for row in await connection.execute(rows)
    )


# -- as a row --------------------------------------------------------------------------------------------------------


def _row(it: Proposal, now: datetime) -> dict[str, Any]:
    return {
        "id": it.id,
        "purpose": it.purpose.value,
        "parent": it.parent,
        "investigation": it.investigation,
        "cluster": it.cluster,
        "state": it.state.value,
        "why": plain(it.why),
        "sha256": it.sha256,
        "content": zlib.compress(canonical(_content(it)).encode(), 6),
        "written": json.dumps(list(it.written)),
        "denied": _flows(it.denied),
        "shown": it.shown,
        "asked_by": json.dumps(list(it.asked_by)),
        "team": it.place.team,
        "channel": it.place.channel,
        "thread": it.place.thread,
        "ts": it.place.ts,
        "created_at": it.created_at,
        "expires_at": it.expires_at,
        "moved_at": now,
    }


def _content(it: Proposal) -> dict[str, Any]:
    """Exactly as it is: the usual washing of rows would make another patch of it."""
    proved, target = it.proved, it.target
    return {
        "target": [target.pod, target.namespace, *target.peer],
        "title": it.title,
        "edited_by": it.edited_by,
        "parts": [part_json(each) for each in it.parts],
        "proved": {
            "policies": proved.policies,
            "flows": [list(astuple(each)) for each in proved.flows],
            "replayed": proved.replayed,
            "allowed": proved.allowed,
            "newly_allowed": list(proved.newly_allowed),
            "newly_denied": list(proved.newly_denied),
        },
    }


def _flows(flows: Iterable[Tuple5]) -> str:
    return json.dumps([list(astuple(each)) for each in flows])


def _proposal(row: Row[Any]) -> Proposal:
    said = json.loads(zlib.decompress(row.content))
    parts = tuple(map(part_of, said["parts"]))
    if digest_of(parts) != row.sha256:
        raise Forged(f"proposal {row.id}: the patch in the database is not the one that was hashed")
    return Proposal(
        id=row.id,
        investigation=row.investigation,
        target=Target(*said["target"]),
        title=said["title"],
        parts=parts,
        proved=_proved(said["proved"]),
        created_at=row.created_at,
        expires_at=row.expires_at,
        purpose=Purpose(row.purpose),
        parent=row.parent,
        cluster=row.cluster,
        asked_by=tuple(json.loads(row.asked_by)),
        edited_by=said["edited_by"],
        place=ProposalLocation(row.team, row.channel, row.thread, row.ts),
        state=ProposalState(row.state),
        why=row.why,
        moved_at=row.moved_at,
        denied=tuple(Tuple5(*each) for each in json.loads(row.denied)),
        shown=row.shown,
        written=tuple(None if each is None else (each[0], each[1]) for each in json.loads(row.written)),
    )


def _proved(said: dict[str, Any]) -> ProofRecord:
    flows = tuple(Tuple5(*each) for each in said["flows"])
    ways = tuple(said["newly_allowed"]), tuple(said.get("newly_denied", ()))  # older proposals hold none
    return ProofRecord(said["policies"], flows, said["replayed"], said["allowed"], *ways)
