"""Share of a wide table that CI tries; `make test-slow` tries the other rows, and all examples."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

THOROUGH = os.environ.get("KAI_THOROUGH") == "1"
SHARE = 3  # of rows and of the examples of a property, CI takes one in three


def examples(thorough: int) -> int:
    """Number of examples of a property: all where time is no matter, a share of them in CI."""
    return thorough if THOROUGH else -(-thorough // SHARE)


def share_of(rows: Iterable[Any]) -> list[Any]:
    """Rows for `parametrize`: one in three stays in CI, the others are marked slow."""
    return [row if at % SHARE == 0 else pytest.param(row, marks=pytest.mark.slow) for at, row in enumerate(rows)]
