"""What people think of verdicts: the only way to learn how often KAI is confidently wrong."""

from __future__ import annotations

from sqlalchemy import select

from bot.store.database import Database
from bot.store.packing import plain
from bot.store.records import Feedback, Opinion
from bot.store.schema import feedback


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

    async def of(self, investigation: str) -> tuple[Feedback, ...]:
        rows = select(feedback).where(feedback.c.investigation == investigation).order_by(feedback.c.at)
        async with self._database.reading() as connection:
            found = await connection.execute(rows)
            return tuple(
                Feedback(row.investigation, row.person, Opinion(row.opinion), row.words, row.at) for row in found
            )
