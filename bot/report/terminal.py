"""Colour for those who have it: the lines of the text report, painted. NO_COLOR and FORCE_COLOR are heeded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from bot.report.outline import Tone
from bot.report.text import StyledSpans

STYLES = {
    Tone.PLAIN: "",
    Tone.BAD: "bold red",
    Tone.GOOD: "green",
    Tone.UNSURE: "yellow",
    Tone.QUIET: "dim",
    "heading": "bold",
    "lead": "cyan",
    "command": "bold",
}


def paint(lines: Iterable[StyledSpans], file: TextIO) -> None:
    """Write the lines with colour. Nothing in them is markup, and nothing is wrapped again."""
    console = Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((span.text, STYLES[span.style]) for span in line)))
