"""The triggers there are: each module of this folder that has a `TRIGGER` at its foot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import bot.triggers as folder
from bot.triggers.trigger import Trigger
from sensors.kit.catalog import walk


@cache
def triggers() -> Mapping[str, Trigger]:
    """All triggers by id."""
    return walk(folder, "TRIGGER", Trigger)
