"""The incidents that come with KAI: really recorded, so that anybody can see a diagnosis without a cluster."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from bot.commands.investigate import TerminalRequest, investigate
from bot.commands.lists import columns
from bot.commands.output import write
from bot.commands.symptom import symptom
from bot.errors import UsageMistake
from bot.lazy import resolve
from bot.report.short_answer import subject
from sensors.access.casefolder import BadCase, CaseHeader, open_case
from sensors.kit.nearest import did_you_mean

DEFAULT_CASE = "api-server-cannot-watch"

Serve = Callable[[Path, int, bool, Callable[[str], None]], None]
"""Runs the page of a case on a port, with or without a browser, and says each line for the terminal."""


DEMO_SERVER = "lab.demo:serve"
"""The page comes from the lab, which nothing else of the product may import."""


def demo(name: str, listing: bool, page: bool | None, port: int, no_browser: bool, **asked: Any) -> int:
    """`kai demo`."""
    if listing:
        return list_cases()
    show(name or DEFAULT_CASE, **asked)
    if wants_page(page, asked["output"]):
        to_the_page(resolve(DEMO_SERVER), name or DEFAULT_CASE, port, browser=not no_browser)
    return 0


def cases() -> dict[str, Path]:
    """The bundled case folders by name."""
    folder = Path(str(files("lab"))) / "cases"
    return {each.name: each for each in sorted(folder.iterdir()) if (each / "case.yaml").is_file()}


def list_cases() -> int:
    write(columns([(name, *_about(path, open_case(path).header)) for name, path in cases().items()]))
    return 0


def show(name: str, output: str, flow: str, *, verbose: bool, quiet: bool) -> None:
    """Diagnose one bundled incident and print it, whatever it was."""
    case = case_of(name)
    print(f"A recorded incident ({name}), not your cluster.", file=sys.stderr)  # noqa: T201
    investigate(TerminalRequest(flow, case=case, output=output, verbose=verbose, quiet=quiet))


def case_of(name: str) -> Path:
    """Raises `UsageMistake` with the nearest name there is."""
    known = cases()
    if name not in known:
        raise UsageMistake(f"no bundled incident {name!r}{did_you_mean(name, known)} (kai demo --list shows all)")
    return known[name]


def wants_page(said: bool | None, output: str) -> bool:
    """Checks whether the page follows: as was said, else where somebody sits who can end it."""
    if said is not None:
        return said
    there = output == "text" and sys.stdin.isatty() and sys.stdout.isatty()
    return there and os.environ.get("CI", "").lower() not in ("1", "true", "yes")


def to_the_page(serve: Serve, name: str, port: int, *, browser: bool) -> None:
    """The same incident in a chat, until Ctrl-C."""
    try:
        serve(case_of(name), port, browser, _say)
    except BadCase as why:
        raise UsageMistake(str(why)) from why
    except OSError as why:
        if why.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = os.strerror(why.errno).lower()
        raise UsageMistake(f"the page cannot listen on port {port}: {reason}; try --port 0") from why


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _about(path: Path, header: CaseHeader) -> tuple[str, str]:
    """Describes who calls whom, and what the caller sees; not why: that is what the demo is for."""
    target = header.target
    if target is None:
        return "", ""
    return subject(target), symptom(path, target)
