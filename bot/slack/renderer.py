"""Port of a renderer: it turns a note of the desk into the messages that say it, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import bot.slack.renderers as folder
from bot.desk import Note
from bot.slack.notes import Kept
from sensors.kit.catalog import walk


@dataclass(frozen=True, slots=True)
class Renderer:
    """For notes of exactly the class `note`. Pure, apart from what `Picture.draw` does later."""

    id: str
    note: type[Note]
    render: Callable[[Any], Sequence[Kept]]


@cache
def renderers() -> Mapping[type[Note], Renderer]:
    """All renderers by the class of their note."""
    return {each.note: each for each in walk(folder, "RENDERER", Renderer).values()}


def render(note: Note) -> Sequence[Kept]:
    """The messages that say it, the root's state first where it changes. Raises `KeyError` for an unknown kind."""
    return renderers()[type(note)].render(note)
