"""Reads what a look can do without: the value, or why there is none."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from sensors.kit.model import Absent, Blind

Value = TypeVar("Value")


async def if_readable(reading: Awaitable[Value]) -> tuple[Value | None, str]:
    """What was read and an empty reason, or None and the reason. Only for facts without which the rest stays true."""
    try:
        return await reading, ""
    except (Absent, Blind) as why:
        return None, str(why)
