"""One prerequisite and how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class CheckState(StrEnum):
    """`off` is an extra that nobody asked for; `unknown` was not, or could not be, looked at."""

    OK = "ok"
    MISSING = "missing"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """`without` says what does not work while it is missing, `mend` is a command to type."""

    name: str
    state: CheckState
    found: str = ""
    without: str = ""
    mend: str = ""


def exit_code(checks: Iterable[Check]) -> int:
    """0 all there, 1 something is missing. What is off, or could not be looked at, is not missing."""
    return int(any(each.state is CheckState.MISSING for each in checks))
