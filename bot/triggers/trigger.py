"""What a trigger is: it reads what came in, and says what is asked, or why nothing is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """One kind of thing that can ask, at the foot of its module as `TRIGGER`. `read` is given untrusted data."""

    id: str
    origin: OriginKind
    read: Callable[[Payload], Command | Nothing]
