"""Port of a trigger: it reads what came in, and says what is asked, or why nothing is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.store import OriginKind
from bot.triggers.commands import Command

Payload: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is asked, and `why` in one line. `fields` says which field of a form is wrong, and how."""

    why: str
    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """One kind of thing that can ask, at the foot of its module as `TRIGGER`. All is untrusted data.

    Of an alert's: `fits` tells by its form that this trigger reads it; `split` gives one payload for each alert in it,
    and `left_out` says how many are not among them.
    """

    id: str
    origin: OriginKind
    read: Callable[[Payload], Command | Nothing]
    fits: Callable[[Payload], bool] = lambda payload: False
    split: Callable[[Payload], Sequence[Payload]] = lambda payload: (payload,)
    left_out: Callable[[Payload], int] = lambda payload: 0
