"""The desk where requests come in: each is looked into once and answered once, whatever crashes in between."""

from __future__ import annotations

from bot.desk.limits import Limits, Refused
from bot.desk.notes import EndedNote, Note, VerdictNote
from bot.desk.ports import CannotLook, CannotPost, Look, Looked, Poster, Watching, nobody

__all__ = [
    "CannotLook",
    "CannotPost",
    "EndedNote",
    "Limits",
    "Look",
    "Looked",
    "Note",
    "Poster",
    "Refused",
    "VerdictNote",
    "Watching",
    "nobody",
]
