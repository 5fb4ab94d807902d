"""The desk where requests come in: each is looked into once and answered once, whatever crashes in between."""

from __future__ import annotations

from bot.desk.limits import LimitReached, Limits
from bot.desk.notes import EndedNote, Note, VerdictNote
from bot.desk.ports import CannotLook, CannotPost, LookFor, LookResult, OpenWatcher, Poster, nobody

__all__ = [
    "CannotLook",
    "CannotPost",
    "EndedNote",
    "LimitReached",
    "Limits",
    "LookFor",
    "LookResult",
    "Note",
    "OpenWatcher",
    "Poster",
    "VerdictNote",
    "nobody",
]
