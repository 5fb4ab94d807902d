"""Investigations from the question to the verdict; every change of state is compared and set in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.database import Database
from bot.store.gathering import GatheredWrites
from bot.store.messages import owe
from bot.store.packing import pack, plain, unpack
from bot.store.records import (
    LIVE,
    Admitted,
    Ceiling,
    EvidenceRow,
    Full,
    Investigation,
    InvestigationState,
    OriginKind,
    Request,
    StoredVerdict,
)
from bot.store.schema import diagnoses, evidence, investigations, messages, seen_ids
from bot.store.transitions import INVESTIGATION
from sensors.kit import Target

TRIGGER_LIFETIME = timedelta(hours=24)
"""How long the id of a trigger (a Slack retry, a repeated alert) leads to the investigation that it started."""

LIMITS = ("cluster", "namespace", "user")


class Investigations:
    """Investigations and their results. Times are passed in; they are in UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._evidence = GatheredWrites(self._keep_evidence)

    async def admit(
        self, request: Request, new_id: str, now: datetime, ceiling: Ceiling, once: str = ""
    ) -> Admitted | Full:
        """Take a request on, or say why not: the one place where live investigations are counted.

        `once` is the id of what triggered it; the same id never starts a second investigation.
        """
        async with self._database.writing() as connection:
            await self._database.one_at_a_time(connection, "admit")
            known = await _known(connection, request, once, now)
            if known is not None:
                return Admitted(known, fresh=False)
            full = await _full(connection, request, ceiling)
            if full is not None:
                return full
            await connection.execute(investigations.insert().values(_row(new_id, request, now)))
            if once:
                await self._remember(connection, once, new_id, now)
            return Admitted(Investigation(new_id, request, InvestigationState.QUEUED, now), fresh=True)

    async def _remember(self, connection: AsyncConnection, once: str, owner: str, now: datetime) -> None:
        row = {"key": plain(once), "value": owner, "expires_at": now + TRIGGER_LIFETIME}
        say = self._database.insert(seen_ids).values(row)
        await connection.execute(say.on_conflict_do_update(index_elements=["key"], set_=row))

    async def begin(self, investigation: str, now: datetime) -> Investigation | None:
        """It is being looked into now (again, after a crash). None when it is over already."""
        async with self._database.writing() as connection:
            began = func.coalesce(investigations.c.began_at, now)
            values: dict[str, Any] = {"began_at": began, "looks": investigations.c.looks + 1}
            if not await INVESTIGATION.change(connection, investigation, InvestigationState.RUNNING, **values):
                return None
            return await _one(connection, select(investigations).where(investigations.c.id == investigation))

    async def saw(self, investigation: str, row: EvidenceRow, position: int) -> None:
        """Keep one look, in place of an earlier one of the same id."""
        await self._evidence.add(_evidence(investigation, row, position))

    async def _keep_evidence(self, rows: Sequence[dict[str, Any]]) -> None:
        say = self._database.insert(evidence)
        new = {name: say.excluded[name] for name in rows[0]}
        async with self._database.writing() as connection:
            await connection.execute(
                say.on_conflict_do_update(index_elements=["investigation", "id"], set_=new), list(rows)
            )

    async def conclude(
        self, investigation: str, result: Mapping[str, Any], rows: Sequence[EvidenceRow], role: str, now: datetime
    ) -> str | None:
        """Keep the verdict with the evidence of its look, and owe the message about it. The message's key.

        None when it is not running any more: it was cancelled, or another replica was first.
        """
        async with self._database.writing() as connection:
            if not await INVESTIGATION.change(connection, investigation, InvestigationState.CONCLUDED, ended_at=now):
                return None
            await _replace_evidence(connection, investigation, rows)
            await connection.execute(diagnoses.insert().values(_diagnosis(investigation, result)))
            return await owe(connection, investigation, role, now)

    async def keep(
        self,
        investigation: str,
        request: Request,
        result: Mapping[str, Any],
        rows: Sequence[EvidenceRow],
        asked_at: datetime,
        now: datetime,
    ) -> None:
        """Keep an investigation that a terminal made and has shown already: whole, over, and nothing is owed for it."""
        times = {"began_at": asked_at, "ended_at": now, "state": InvestigationState.CONCLUDED.value, "looks": 1}
        kept = [_evidence(investigation, row, at) for at, row in enumerate(rows)]
        async with self._database.writing() as connection:
            await connection.execute(
                investigations.insert().values({**_row(investigation, request, asked_at), **times})
            )
            if kept:
                await connection.execute(evidence.insert(), kept)
            await connection.execute(diagnoses.insert().values(_diagnosis(investigation, result)))

    async def revise(
        self, investigation: str, result: Mapping[str, Any], rows: Sequence[EvidenceRow], role: str, now: datetime
    ) -> str | None:
        """Put another result in the place of a verdict, and owe the message about it. The message's key.

        None when there is no verdict any more, or the message is owed already.
        """
        async with self._database.writing() as connection:
            here = diagnoses.c.investigation == investigation
            values = {key: each for key, each in _diagnosis(investigation, result).items() if key != "investigation"}
            known = select(messages.c.key).where(messages.c.key == f"{investigation}.{role}")
            if (await connection.execute(known)).scalar_one_or_none() is not None:
                return None
            if (await connection.execute(update(diagnoses).where(here).values(values))).rowcount != 1:
                return None
            await _replace_evidence(connection, investigation, rows)
            return await owe(connection, investigation, role, now)

    async def finish(
        self, investigation: str, state: InvestigationState, why: str, role: str, now: datetime
    ) -> str | None:
        """End it without a verdict, and owe the message about it. The message's key; None when it is over already."""
        async with self._database.writing() as connection:
            if not await INVESTIGATION.change(connection, investigation, state, why=plain(why), ended_at=now):
                return None
            return await owe(connection, investigation, role, now)

    async def get(self, investigation: str) -> Investigation | None:
        async with self._database.reading() as connection:
            return await _one(connection, select(investigations).where(investigations.c.id == investigation))

    async def starting_with(self, beginning: str, most: int = 5) -> tuple[Investigation, ...]:
        """Investigations whose id begins like this, newest first: people copy half an id."""
        found = investigations.c.id.startswith(beginning, autoescape=True)
        return await self._many(select(investigations).where(found).limit(most))

    async def live(self) -> tuple[Investigation, ...]:
        """Everything queued or running, oldest first."""
        there = select(investigations).where(investigations.c.state.in_([each.value for each in LIVE]))
        return (await self._many(there))[::-1]

    async def recent(
        self, most: int = 20, namespace: str = ""
    ) -> tuple[tuple[Investigation, StoredVerdict | None], ...]:
        """The newest investigations with their verdicts, newest first; the results themselves stay packed away.

        `namespace`: only those of its pods.
        """
        columns = [each for each in diagnoses.c if each.name != "result"]
        joined = investigations.outerjoin(diagnoses)
        newest = select(*investigations.c, *columns).select_from(joined).order_by(investigations.c.asked_at.desc())
        if namespace:
            newest = newest.where(investigations.c.namespace == namespace)
        async with self._database.reading() as connection:
            rows = await connection.execute(newest.limit(most))
            return tuple((_investigation(row), _verdict(row, {}) if row.cause_class else None) for row in rows)

    async def verdict(self, investigation: str) -> StoredVerdict | None:
        async with self._database.reading() as connection:
            found = await connection.execute(select(diagnoses).where(diagnoses.c.investigation == investigation))
            row = found.one_or_none()
            return None if row is None else _verdict(row, unpack(row.result))

    async def evidence(self, investigation: str) -> tuple[EvidenceRow, ...]:
        """Evidence, in the order of the flow; of a run that did not conclude, what had answered until then."""
        rows = select(evidence).where(evidence.c.investigation == investigation).order_by(evidence.c.position)
        async with self._database.reading() as connection:
            found = await connection.execute(rows)
            return tuple(EvidenceRow(row.id, row.sensor, row.sight, row.summary, unpack(row.facts)) for row in found)

    async def answered(self, investigation: str) -> int:
        """Number of sensors that have answered."""
        count = select(func.count()).select_from(evidence).where(evidence.c.investigation == investigation)
        async with self._database.reading() as connection:
            return int((await connection.execute(count)).scalar_one())

    async def _many(self, rows: Select[Any]) -> tuple[Investigation, ...]:
        newest_first = rows.order_by(investigations.c.asked_at.desc(), investigations.c.id)
        async with self._database.reading() as connection:
            return tuple(_investigation(row) for row in await connection.execute(newest_first))


async def _replace_evidence(connection: AsyncConnection, investigation: str, rows: Sequence[EvidenceRow]) -> None:
    await connection.execute(delete(evidence).where(evidence.c.investigation == investigation))
    kept = [_evidence(investigation, row, at) for at, row in enumerate(rows)]
    if kept:
        await connection.execute(evidence.insert(), kept)


async def _known(connection: AsyncConnection, request: Request, once: str, now: datetime) -> Investigation | None:
    """Investigation that this trigger has started before, or that runs for the same question."""
    if once:
        seen = seen_ids.c.value == investigations.c.id
        here = (seen_ids.c.key == plain(once)) & (seen_ids.c.expires_at > now)
        known = await _one(connection, select(investigations).join(seen_ids, seen).where(here))
        if known is not None:
            return known
    return await _one(connection, select(investigations).where(investigations.c.request_key == request.key, _live()))


async def _full(connection: AsyncConnection, request: Request, ceiling: Ceiling) -> Full | None:
    same_cluster = investigations.c.cluster == request.cluster
    groups = (
        (same_cluster, ceiling.cluster),
        (same_cluster & (investigations.c.namespace == request.target.namespace), ceiling.namespace),
        (investigations.c.asked_by == request.asked_by, ceiling.user),
    )
    for limit, (group, most) in zip(LIMITS, groups, strict=True):
        counted = select(func.count().label("live"), func.min(investigations.c.asked_at).label("oldest"))
        row = (await connection.execute(counted.where(group, _live()))).one()
        if row.live >= most:
            return Full(limit, row.live, row.oldest)
    return None


async def _one(connection: AsyncConnection, rows: Select[Any]) -> Investigation | None:
    row = (await connection.execute(rows.limit(1))).one_or_none()
    return None if row is None else _investigation(row)


def _live() -> Any:
    return investigations.c.state.in_([each.value for each in LIVE])


def _row(new_id: str, request: Request, now: datetime) -> dict[str, Any]:
    target = request.target
    return {
        "id": new_id,
        "request_key": request.key,
        "flow": request.flow,
        "cluster": request.cluster,
        "namespace": target.namespace,
        "pod": target.pod,
        "to_host": target.to_host,
        "to_port": target.to_port,
        "to_protocol": target.to_protocol,
        "since_s": request.since,
        "door": request.origin.value,
        "asked_by": request.asked_by,
        "channel": request.channel,
        "thread": request.thread,
        "state": InvestigationState.QUEUED.value,
        "why": "",
        "looks": 0,
        "asked_at": now,
    }


def _investigation(row: Row[Any]) -> Investigation:
    target = Target(row.pod, row.namespace, row.to_host, row.to_port, row.to_protocol)
    place = row.cluster, row.channel, row.thread
    request = Request(target, row.flow, OriginKind(row.door), row.asked_by, *place, row.since_s)
    times = (row.asked_at, row.began_at, row.ended_at)
    return Investigation(row.id, request, InvestigationState(row.state), *times, why=row.why, looks=row.looks)


def _evidence(investigation: str, row: EvidenceRow, position: int) -> dict[str, Any]:
    return {
        "investigation": investigation,
        "id": row.id,
        "position": position,
        "sensor": plain(row.sensor),
        "sight": row.sight,
        "summary": plain(row.summary),
        "facts": pack(row.facts),
    }


def _diagnosis(investigation: str, result: Mapping[str, Any]) -> dict[str, Any]:
    it = result.get("affected_component") or {}
    place = "/".join(filter(None, (it.get("namespace"), it.get("name"))))
    return {
        "investigation": investigation,
        "cause_class": str(result["cause_class"]),
        "component": plain(f"{it.get('kind', '')} {place}".strip()),
        "confidence": float(result["confidence"]),
        "root_cause": plain(str(result["root_cause"])),
        "result": pack(result),
    }


def _verdict(row: Row[Any], result: Mapping[str, Any]) -> StoredVerdict:
    return StoredVerdict(row.investigation, row.cause_class, row.component, row.confidence, row.root_cause, result)
