"""Status of a Cilium agent, as it reports it (`cilium-dbg status -o json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensors.kit.objects import (
    items,
    mapping,
    number,
    one_line,
    text,
)


@dataclass(frozen=True, slots=True)
class FailingController:
    """A task of the agent that fails repeatedly; many are harmless (a namespace is going away): read the message."""

    name: str
    failures: int
    message: str


def read_status(written: str | None) -> Mapping[str, Any] | None:
    """`cilium-dbg status -o json`; None for what is not JSON of that shape."""
    try:
        status = json.loads(written) if written else None
    except (ValueError, RecursionError):
        return None
    return status if isinstance(status, Mapping) and mapping(status, "cilium") else None


def failing_controllers(status: Any, limit: int = 5) -> tuple[FailingController, ...]:
    """The agent's tasks that failed at their last runs, the most stubborn first."""
    found = (
        FailingController(text(each, "name"), failures, one_line(text(each, "status", "last-failure-msg")))
        for each in items(status, "controllers")
        if (failures := number(each, "status", "consecutive-failure-count"))
    )
    return tuple(sorted(found, key=lambda each: -each.failures)[:limit])


def addresses_allocated(said: str) -> tuple[int | None, int | None]:
    """Number of addresses its IPAM has given out, and of all it has; None where it does not say."""
    figures = re.search(r"\b(\d{1,9})/(\d{1,9}) allocated", said)
    return (int(figures[1]), int(figures[2])) if figures else (None, None)
