"""Table of the changes of state, and the one place where a state is compared and set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import Table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.approval.states import NEXT
from bot.store.records import InvestigationState
from bot.store.schema import investigations, proposals

S = TypeVar("S", bound=StrEnum)


class TransitionNotAllowed(ValueError):
    """A step that the table does not know. The message is one line."""


@dataclass(frozen=True, slots=True)
class Transitions(Generic[S]):
    """The states of the rows of `table` (columns `id` and `state`), each with those that may come next."""

    table: Table
    after: Mapping[S, frozenset[S]]

    def before(self, state: S) -> tuple[S, ...]:
        """The states from which `state` can be reached."""
        return tuple(each for each, following in self.after.items() if state in following)

    def check(self, before: S, state: S) -> None:
        """Raises `TransitionNotAllowed`."""
        if state not in self.after[before]:
            raise TransitionNotAllowed(f"what is {before.value} in {self.table.name} cannot become {state.value}")

    async def change(
        self, connection: AsyncConnection, row: str, state: S, only_from: Sequence[S] = (), /, **values: Any
    ) -> bool:
        """Set the state and `values`, if the state that is there allows it. True for exactly one of many callers.

        `only_from`: of the states that lead there only these. Raises `TransitionNotAllowed` for one that does not.
        """
        for each in only_from:
            self.check(each, state)
        allowed = self.table.c.state.in_([each.value for each in only_from or self.before(state)])
        changed = update(self.table).where((self.table.c.id == row) & allowed).values(state=state.value, **values)
        return (await connection.execute(changed)).rowcount == 1


_EARLY_ENDS = frozenset({InvestigationState.FAILED, InvestigationState.CANCELLED, InvestigationState.LOST})

INVESTIGATION = Transitions(
    investigations,
    {
        InvestigationState.QUEUED: frozenset({InvestigationState.RUNNING}) | _EARLY_ENDS,
        InvestigationState.RUNNING: frozenset({InvestigationState.RUNNING, InvestigationState.CONCLUDED})
        | _EARLY_ENDS,  # again after a crash
        InvestigationState.CONCLUDED: frozenset(),
        InvestigationState.FAILED: frozenset(),
        InvestigationState.CANCELLED: frozenset(),
        InvestigationState.LOST: frozenset(),
    },
)
"""An investigation ends once; only a running one ends with a verdict."""

PROPOSAL = Transitions(proposals, NEXT)
"""A proposal: the table stands with its states, in `bot.approval.states`."""
