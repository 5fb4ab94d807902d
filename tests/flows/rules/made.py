"""A made incident (`tests/flows/variants`) as a case, for rules whose fault no recording shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.model import Case
from tests.flows.variants.every import every
from tests.flows.variants.lab import Incident
from tests.flows.variants.running import look


@cache
def made(name: str, *, asked: bool = True) -> Case:
    return seen(every()[name].build(), asked=asked)


def seen(incident: Incident, *, asked: bool = True) -> Case:
    with TemporaryDirectory() as folder:
        return asyncio.run(look(incident.write(Path(folder) / "made"), asked=asked))


def edited(name: str, edit: Callable[[Incident], None], *, asked: bool = True) -> Case:
    """The same incident after one more edit."""
    incident = every()[name].build()
    edit(incident)
    return seen(incident, asked=asked)
