"""Opinions of people on verdicts: the only way to learn how often KAI is confidently wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Row, case, delete, func, select

from bot.store.database import Database
from bot.store.packing import plain
from bot.store.records import Feedback, Opinion
from bot.store.schema import diagnoses, feedback

SURE = 0.8
"""A confidence from which on a wrong verdict misleads: people act on it."""


_OF_VERDICTS = feedback.outerjoin(diagnoses, diagnoses.c.investigation == feedback.c.investigation)


class Opinions:
    """One word of each person on each verdict; the last one counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, said: Feedback) -> None:
        who = {"investigation": said.investigation, "person": plain(said.by)}
        values = {"opinion": said.opinion.value, "words": plain(said.words), "at": said.at}
        async with self._database.writing() as connection:
            say = self._database.insert(feedback).values(**who, **values)
            await connection.execute(say.on_conflict_do_update(index_elements=list(who), set_=values))

    async def take_back(self, investigation: str, person: str) -> None:
        """Forget a person's opinion of a verdict."""
        this = (feedback.c.investigation == investigation) & (feedback.c.person == plain(person))
        async with self._database.writing() as connection:
            await connection.execute(delete(feedback).where(this))

    async def latest(self, most: int = 50) -> tuple[tuple[Feedback, str | None, str | None], ...]:
        """The newest opinions on any verdict, each with the verdict's cause class and component."""
        verdict = diagnoses.c.cause_class, diagnoses.c.component
        rows = select(feedback, *verdict).select_from(_OF_VERDICTS).order_by(feedback.c.at.desc()).limit(most)
        async with self._database.reading() as connection:
            found = await connection.execute(rows)
            return tuple((_feedback(row), row.cause_class, row.component) for row in found)

    async def of(self, investigation: str) -> tuple[Feedback, ...]:
        rows = select(feedback).where(feedback.c.investigation == investigation).order_by(feedback.c.at)
        async with self._database.reading() as connection:
            return tuple(map(_feedback, await connection.execute(rows)))

    async def counted(self) -> Counter[tuple[Opinion, bool]]:
        """Number of opinions of each kind, on verdicts that were sure and on those that were not."""
        sure = case((diagnoses.c.confidence >= SURE, 1), else_=0)
        rows = (
            select(feedback.c.opinion, sure, func.count()).select_from(_OF_VERDICTS).group_by(feedback.c.opinion, sure)
        )
        async with self._database.reading() as connection:
            return Counter({(Opinion(each), bool(was_sure)): n for each, was_sure, n in await connection.execute(rows)})


def _feedback(row: Row[Any]) -> Feedback:
    return Feedback(row.investigation, row.person, Opinion(row.opinion), row.words, row.at)
