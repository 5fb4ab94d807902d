"""Checks that KAI's import names (`bot`, `sensors`, `flows`, `lab`) belong to KAI alone in this environment.

The names are common ones. Where a second distribution installs a folder of the same name, files overwrite each other
and the one installed last wins; an environment of its own (venv, pipx, `uv tool install`) keeps them apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import packages_distributions

from bot.doctor.check import Check, CheckState

DISTRIBUTION = "kai-netdebug"
IMPORT_NAMES = ("bot", "sensors", "flows", "lab")


def packages(owners: Mapping[str, Sequence[str]] | None = None) -> Check:
    """The check over `importlib.metadata.packages_distributions()`, or over a mapping of the same shape."""
    strangers = foreign_owners(packages_distributions() if owners is None else owners)
    if not strangers:
        return Check("packages", CheckState.OK, "no other distribution installs a module of KAI's names")
    found = "; ".join(f"{name} is also installed by {', '.join(others)}" for name, others in strangers.items())
    return Check(
        "packages", CheckState.MISSING, found, "KAI may run modules of another project", "pipx install kai-netdebug"
    )


async def warn_of_strangers(log: logging.Logger, look: Callable[[], Check] = packages) -> None:
    """One warning where KAI's names are not its own; the metadata of all distributions is read in a thread."""
    check = await asyncio.to_thread(look)
    if check.state is CheckState.MISSING:
        log.warning("%s: %s; give it an environment of its own (%s)", check.found, check.without, check.mend)


def foreign_owners(owners: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Other distributions by the import name that they share with KAI."""
    found = {name: sorted(set(owners.get(name, ())) - {DISTRIBUTION}) for name in IMPORT_NAMES}
    return {name: others for name, others in found.items() if others}
