"""Where the report goes: to stdout, in colour for a terminal, and quietly to nowhere when the pipe was closed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from bot.report import json_result, markdown
from bot.report.outline import Section, claude, outline
from bot.report.text import lay_out, render
from flows.agent.brief import Brief
from flows.model import Diagnosis

WIDEST = 120
"""Columns of prose on a very wide terminal: longer lines are not read."""


def say(diagnosis: Diagnosis, output: str, *, verbose: bool = False) -> None:
    """Print the diagnosis as text, json or markdown."""
    if output == "json":
        return write(json_result.render(diagnosis))
    sections = outline(diagnosis, verbose=verbose)
    if output == "markdown":
        return write(markdown.render(sections))
    return _say_sections(sections)


def say_explanation(diagnosis: Diagnosis, *, verbose: bool = False) -> None:
    """Print what Claude adds to a report that stands there already."""
    write("\n")
    _say_sections((claude(diagnosis, verbose=verbose),))


def _say_sections(sections: Sequence[Section]) -> None:
    if not is_painted(sys.stdout):
        return write(render(sections, width_of(sys.stdout)))
    from bot.report.terminal import paint  # rich takes a tenth of a second, and pipes never need it

    return _despite_closed_pipes(lambda: paint(lay_out(sections, width_of(sys.stdout)), sys.stdout))


def show_brief(brief: Brief) -> None:
    """Print what would be sent, and on stderr how much it is."""
    write(brief.text)
    told = f"About {brief.tokens} tokens (our estimate, rather too high). Nothing was sent."
    print(told, file=sys.stderr)  # noqa: T201


def write(text: str) -> None:
    """Write to stdout. Whoever closed the pipe (`| head`) has read enough: that is no error."""
    _despite_closed_pipes(lambda: print(text, end="", flush=True))  # noqa: T201 - this is the door to stdout


def is_painted(stream: TextIO) -> bool:
    """Does the stream want colour? A terminal does; FORCE_COLOR insists, NO_COLOR and TERM=dumb refuse."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def width_of(stream: TextIO) -> int | None:
    """Columns to write in: those of the terminal, or COLUMNS where somebody set it; None in a pipe."""
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return min(max(shutil.get_terminal_size((100, 24)).columns, 40), WIDEST)


def _despite_closed_pipes(act: Callable[[], None]) -> None:
    try:
        act()
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # the interpreter flushes stdout once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
