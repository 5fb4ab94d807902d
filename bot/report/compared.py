"""Differences from the last look at the same: `same as 19:52 UTC`, `fixed: 0 drops since 20:01 UTC`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bot.report.incident import connections, facts_of, moment_of, rows
from bot.report.short_answer import state_of
from flows.model import Diagnosis


@dataclass(frozen=True, slots=True)
class Compared:
    """`same`: the thread has said everything already."""

    same: bool
    words: str


def compared(before: Diagnosis, at: datetime, now: Diagnosis) -> Compared:
    """A diagnosis beside the one before it, which was made at that moment."""
    when = f"{at.astimezone(UTC):%H:%M} UTC"
    if (before.cause_class, before.component) == (now.cause_class, now.component):
        return Compared(True, f"same as {when}")
    if before.fault_found and now.cause_class == "none.healthy":
        return Compared(False, _fixed(before, when, now))
    return Compared(False, f"changed since {when}: it was {state_of(before)}, {before.cause_class}")


def _fixed(before: Diagnosis, when: str, now: Diagnosis) -> str:
    """How long no packet was dropped, as far back as Hubble remembers; without Hubble, only what it was."""
    since = _without_drops(now)
    drops = f"0 drops since {since:%H:%M} UTC; " if since is not None else ""
    return f"fixed: {drops}it was {state_of(before)} at {when}"


def _without_drops(now: Diagnosis) -> datetime | None:
    """The last drop that Hubble remembers, else its oldest memory."""
    drops = [at for each in connections(now) if (at := moment_of(each.get("last_drop"))) is not None]
    memory = rows(facts_of(now, "hubble.capture_flows"), "memory")
    begins = [at for each in memory if (at := moment_of(each.get("first"))) is not None]
    return max(drops) if drops else min(begins, default=None)
