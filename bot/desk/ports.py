"""Ports of the desk: one that looks, one that posts, and one that is told of the progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from bot.desk.notes import EndedNote, Note, VerdictNote
from bot.desk.watching import OpenWatcher
from bot.store import Investigation, Posted
from flows.engine import Concluded, Saw, Walk, Watcher, ignore
from flows.model import Diagnosis


class CannotLook(Exception):
    """There is nothing to judge: no such pod, no way to the cluster. The message is the sentence a person is told."""


class CannotPost(Exception):
    """The message can never be posted (the channel is gone, the bot was removed): do not try again."""


@dataclass(frozen=True, slots=True)
class LookResult:
    """Result of a look; `walked` where it can go on from there."""

    diagnosis: Diagnosis
    walked: Walk | None = None


LookFor: TypeAlias = Callable[[Investigation, Watcher], Awaitable[LookResult]]
"""Walks the flow of an investigation and tells the watcher. Called again after a crash: reading twice is harmless."""


class Poster(Protocol):
    """Says things where they were asked for.

    Whatever `post` raises is tried again later, but for `CannotPost`. A process may die between the posting and our
    learning of it: then `find` is asked before anything is posted again.
    """

    async def post(self, note: Note) -> Posted:
        """Post the note and say where. The key must be findable there afterwards."""
        ...

    async def find(self, note: Note) -> Posted | None:
        """Was a note of this key posted? Raises when that cannot be known just now."""
        ...


def nobody(investigation: Investigation) -> Watcher:
    """For those who only want the result."""
    return ignore


__all__ = [
    "CannotLook",
    "CannotPost",
    "Concluded",
    "EndedNote",
    "LookFor",
    "LookResult",
    "Note",
    "OpenWatcher",
    "Poster",
    "Saw",
    "VerdictNote",
    "Watcher",
    "nobody",
]
