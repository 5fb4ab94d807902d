"""Writes the report: to stdout, in colour for a terminal, and quietly to nowhere when the pipe was closed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import yaml

from bot.report import json_result, markdown
from bot.report.outline import Section, claude, outline
from bot.report.short_report import headline, short_report, verdict_line
from bot.report.text import lay_out, render
from flows.model import Diagnosis

if TYPE_CHECKING:
    from flows.agent.brief import Brief

WIDEST = 120
"""Columns of prose on a very wide terminal: longer lines are not read."""

NARROWEST = 30


def as_data(value: object, output: str) -> str:
    """JSON or YAML, all in ASCII: what a terminal might obey is an escape, which reads back as the same character."""
    return as_yaml(value) if output == "yaml" else json.dumps(value, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Style:
    """Form of a report: text, json, yaml or markdown; whole or short, or its verdict line alone.

    `remembered`: its id leads to it (`kai show`), so it is named.
    """

    output: str = "text"
    verbose: bool = False
    quiet: bool = False
    remembered: bool = True


def say(diagnosis: Diagnosis, style: Style) -> None:
    """Print the diagnosis."""
    if style.output in ("json", "yaml"):
        return write(
            json_result.render(diagnosis) if style.output == "json" else as_yaml(json_result.encode(diagnosis))
        )
    if style.quiet:
        return write(f"{verdict_line(diagnosis)}\n")
    if style.output == "markdown":
        return write(markdown.render(outline(diagnosis, verbose=style.verbose, remembered=style.remembered)))
    return say_sections(_sections(diagnosis, style))


def _sections(it: Diagnosis, style: Style) -> tuple[Section, ...]:
    """On a terminal the headline is the last line, too: that is where the eye is."""
    whole = outline(it, verbose=True, remembered=style.remembered) if style.verbose else ()
    sections = whole or short_report(it, style.remembered)
    return (*sections, headline(it)) if sys.stdout.isatty() else sections


def say_explanation(diagnosis: Diagnosis, *, verbose: bool = False) -> None:
    """Print what Claude adds to a report that stands there already."""
    write("\n")
    say_sections((claude(diagnosis, verbose=verbose),))


def say_sections(sections: Sequence[Section]) -> None:
    """Print sections as a report."""
    if not is_painted(sys.stdout):
        return write(render(sections, width_of(sys.stdout)))
    from bot.report.terminal import paint  # rich takes a tenth of a second, and pipes never need it

    return _despite_closed_pipes(lambda: paint(lay_out(sections, width_of(sys.stdout)), sys.stdout))


def as_yaml(value: object) -> str:
    """The same value as YAML: what a terminal might obey is an escape there, too."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=WIDEST))


def show_brief(brief: Brief) -> None:
    """Print what would be sent, and on stderr how much it is."""
    write(brief.text)
    told = f"About {brief.tokens} tokens (our estimate, rather too high). Nothing was sent."
    print(told, file=sys.stderr)  # noqa: T201


def write(text: str) -> None:
    """Write to stdout. Whoever closed the pipe (`| head`) has read enough: that is no error."""
    _despite_closed_pipes(lambda: print(text, end="", flush=True))  # noqa: T201 - the one place that writes to stdout


def is_painted(stream: TextIO) -> bool:
    """Does the stream want colour? A terminal does; FORCE_COLOR insists, NO_COLOR and TERM=dumb refuse."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def width_of(stream: TextIO) -> int | None:
    """Columns to write in: those of the terminal, or COLUMNS where somebody set it; None in a pipe."""
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return min(max(shutil.get_terminal_size((100, 24)).columns, NARROWEST), WIDEST)


def _despite_closed_pipes(act: Callable[[], None]) -> None:
    try:
        act()
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # the interpreter flushes stdout once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
