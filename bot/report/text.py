"""The report in a terminal: the same lines with and without colour, commands that survive copy and paste."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from bot.report.outline import Item, Point, Row, Section, SectionPart, ShellCommand, TextLine, Tone


@dataclass(frozen=True, slots=True)
class StyledSpan:
    """A stretch of a line in one style: a tone, `heading`, `lead` or `command`."""

    text: str
    style: str = Tone.PLAIN


StyledSpans: TypeAlias = tuple[StyledSpan, ...]

_WORD = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+""", re.DOTALL)
_LAYER, _STATE = 13, 14

NARROW = 60
"""Columns below which a table stacks."""


def render(sections: Iterable[Section], width: int | None = None) -> str:
    """The report without colour. `width` in columns; None leaves every sentence on one line."""
    return "".join("".join(span.text for span in line) + "\n" for line in lay_out(sections, width))


def lay_out(sections: Iterable[Section], width: int | None = None) -> Iterator[StyledSpans]:
    """The lines of the report. A blank line stands before what has lines of its own, none within the verdict."""
    before = False
    for number, section in enumerate(sections):
        apart = before or section.items or (not section.title and section.part is not SectionPart.HEADLINE)
        if number and apart:
            yield ()
        yield from _section(section, width)
        before = bool(section.items) or not section.text


def _section(section: Section, width: int | None) -> Iterator[StyledSpans]:
    if section.title:
        heading = f"{section.title}:"
        lines = wrap(section.text, width, len(heading) + 1, 2) if section.text else []
        first = (StyledSpan(f" {lines[0]}", section.tone),) if lines else ()
        yield (StyledSpan(heading, "heading"), *first)
        yield from ((StyledSpan(f"  {line}", section.tone),) for line in lines[1:])
    else:
        yield from ((StyledSpan(line, section.tone),) for line in wrap(section.text, width))
    for item in section.items:
        yield from _item(item, width)


def _item(item: Item, width: int | None) -> Iterator[StyledSpans]:
    if isinstance(item, ShellCommand):
        yield from ((StyledSpan(line, "command"),) for line in wrap_command(item.text, width))
    elif isinstance(item, Row):
        yield from _row(item, width)
    elif isinstance(item, Point):
        yield from _point(item, width)
    else:
        yield from _line(item, width)


def _line(item: TextLine, width: int | None) -> Iterator[StyledSpans]:
    yield from ((StyledSpan(f"  {line}", item.tone),) for line in wrap(item.text, width, 2, 2))


def _point(item: Point, width: int | None) -> Iterator[StyledSpans]:
    lead = f"{item.lead}: " if item.lead else ""
    lines = wrap(item.text, width, 2 + len(lead), 2)
    yield (StyledSpan("- "), StyledSpan(lead, "lead"), StyledSpan(lines[0], item.tone))
    yield from ((StyledSpan(f"  {line}", item.tone),) for line in lines[1:])


def _row(item: Row, width: int | None) -> Iterator[StyledSpans]:
    if width is not None and width < NARROW:
        yield from _stacked(item, width)
        return
    indent = 2 + _LAYER + _STATE
    lines = wrap(item.why, width, indent, indent)
    yield (
        StyledSpan(f"  {item.layer:<{_LAYER}}"),
        StyledSpan(f"{item.state:<{_STATE}}", item.tone),
        StyledSpan(lines[0], Tone.QUIET),
    )
    yield from ((StyledSpan(" " * indent + line, Tone.QUIET),) for line in lines[1:])


def _stacked(item: Row, width: int) -> Iterator[StyledSpans]:
    """For a narrow terminal: the reason stands below its layer, not beside it."""
    yield (StyledSpan(f"  {item.layer}: "), StyledSpan(item.state, item.tone))
    yield from ((StyledSpan(f"    {line}", Tone.QUIET),) for line in wrap(item.why, width, 4, 4) if line)


def wrap(text: str, width: int | None, first: int = 0, rest: int = 0) -> list[str]:
    """`text` in lines: the first has `first` columns taken already, the others `rest`. Words are never broken."""
    lines, room = [""], (width or 0) - first
    for word in text.split(" "):
        fits = width is None or not lines[-1] or len(lines[-1]) + 1 + len(word) <= room
        if fits:
            lines[-1] = f"{lines[-1]} {word}".lstrip(" ") if lines[-1] else word
        else:
            lines.append(word)
            room = (width or 0) - rest
    return lines


def wrap_command(command: str, width: int | None) -> list[str]:
    """A shell command in lines that still are the same command: broken between words only, with a backslash.

    Commands of several lines (here-documents) stay as they are, and so do those whose words cannot be told apart.
    """
    words = _WORD.findall(command)
    if width is None or "\n" in command or len(command) <= width or " ".join(words) != command:
        return command.split("\n")
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
