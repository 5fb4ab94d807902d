"""Checks that KAI's import names (`bot`, `sensors`, `flows`, `lab`) belong to KAI alone in this environment.

The names are common ones. Where a second distribution installs a folder of the same name, files overwrite each other
and the one installed last wins; an environment of its own (venv, pipx, `uv tool install`) keeps them apart.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import Distribution, distributions

from bot.doctor.check import Check, CheckState

DISTRIBUTION = "kai-netdebug"
IMPORT_NAMES = ("bot", "sensors", "flows", "lab")
_INSTALLED = re.compile(rf"^({'|'.join(IMPORT_NAMES)})(?=/|\.[^/,]+,)", re.MULTILINE)
"""One of these names at the head of a line of RECORD: a folder, or a module of one file."""


def packages(owners: Mapping[str, Sequence[str]] | None = None) -> Check:
    """The check over this environment, or over distributions by the import names that they install."""
    strangers = foreign_owners(installed_owners() if owners is None else owners)
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


def installed_owners() -> Mapping[str, Sequence[str]]:
    """Distributions of this environment by the name of `IMPORT_NAMES` that they install.

    What `importlib.metadata.packages_distributions()` says of these names; it makes an object of every installed file,
    ten megabytes that a process which goes on living does not give back.
    """
    owners: dict[str, list[str]] = defaultdict(list)
    for each in distributions():
        for name in installed_names(each):
            owners[name].append(each.metadata["Name"])
    return owners


def installed_names(distribution: Distribution) -> set[str]:
    """Names of `IMPORT_NAMES` that the distribution declares or, where it declares none, that its files have."""
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return {*declared} & {*IMPORT_NAMES}
    return set(_INSTALLED.findall(distribution.read_text("RECORD") or ""))


def foreign_owners(owners: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Other distributions by the import name that they share with KAI."""
    found = {name: sorted(set(owners.get(name, ())) - {DISTRIBUTION}) for name in IMPORT_NAMES}
    return {name: others for name, others in found.items() if others}
