"""What the pages tell a reader to type or to open is there: files, make's targets, KAI's commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bot.cli import kai

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = r"(?:bot|flows|sensors|lab|docs|tests|helm|bench|image|release|\.ci)"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
AN_EXAMPLE = {"sensors/net_arp.py", "tests/sensors/test_net_arp.py"}
"""What CONTRIBUTING.md's reader is about to write."""


def code_of(text: str) -> Iterator[str]:
    """Each piece of code of a page: spans, and the lines of its blocks, continued ones joined."""
    blocks = re.findall(r"^```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    yield from (line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines())
    yield from (" ".join(each.split()) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", text))


def wrong_with(line: str) -> Iterator[str]:
    """A command of KAI that is not there, or an option that it does not have."""
    command: click.Command = kai
    context = click.Context(kai, info_name="kai")
    for word in _words(line)[1:]:
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            below = command.get_command(context, word)
            if below is None:
                yield f"kai has no command {word}: {line}"
                return
            command = below
        elif word.startswith("-") and word.partition("=")[0] not in _options(command, context):
            yield f"{command.name} has no option {word}: {line}"


def _words(line: str) -> list[str]:
    """What is typed, without a comment, without what a pipe or another command does with it."""
    typed = re.split(r"\s(?:\||&&|;|>|#|→)\s?", line, maxsplit=1)[0].rstrip("&").replace("…", "")
    typed = re.sub(r"\[|\]", " ", typed)
    try:
        return shlex.split(typed)
    except ValueError:
        return typed.split()


def _options(command: click.Command, context: click.Context) -> set[str]:
    return {each for param in command.get_params(context) for each in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda each: str(each.relative_to(ROOT)))
def test_what_a_page_tells_to_type_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    lines = list(code_of(text))
    paths = {each for line in lines for each in re.findall(rf"^{FOLDERS}/[\w./-]*$", line)}
    targets = {each for line in lines for each in re.findall(r"^make ([a-z-]+)", line)}

    assert [each for each in paths - AN_EXAMPLE if not (ROOT / each).exists()] == []
    assert targets - TARGETS == set()
    assert [each for line in lines if line.startswith("kai ") for each in wrong_with(line)] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("kai netdebug web -n shop --to payments.shop:8080   # why?", []),
        ("kai audit verify --head 1f00", []),
        ("kai frobnicate web", ["kai has no command frobnicate: kai frobnicate web"]),
        ("kai netdebug web --frob 1", ["netdebug has no option --frob: kai netdebug web --frob 1"]),
    ],
)
def test_the_check_itself_knows_a_command_from_none(line: str, wrong: list[str]) -> None:
    assert list(wrong_with(line)) == wrong
