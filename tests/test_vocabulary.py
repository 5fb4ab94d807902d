"""The words of docs/vocabulary.md: what a person reads, and the names of modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/vocabulary.md").read_text("utf-8")
FOLDERS = ("bot", "flows", "sensors")

PHRASES = (
    "dropped packets of",
    "of context",
    "asked door",
    "dead ends",
    "no size at all",
    "is servfail",
    "no Service stands before",
    "that could be proved safe",
    "everything that was measured passes or is undecided",
    "waits for its network for",
    "nobody explains",
)
"""What of the left column of §1 would show in a sentence; each stands there."""

NAMELESS = frozenset(
    """telling complaint whisper early seek refused place words books inside clean asked work""".split()  # noqa: SIM905
)
"""Modules that said nothing of their matter (§4)."""


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The string constants of a module with their lines, without its docstrings."""
    documents = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def _has_docstring(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    return bool(isinstance(body, list) and body and isinstance(body[0], ast.Expr))


def private_words(text: str) -> list[str]:
    return [each for each in PHRASES if re.search(rf"\b{re.escape(each)}\b", text)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_sentence_uses_a_phrase_that_the_vocabulary_rules_out(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {private_words(text)}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in sentences(ast.parse(path.read_text("utf-8")))
        if private_words(text)
    ]

    assert found == []


def test_every_phrase_stands_on_the_page() -> None:
    left = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")]

    assert [each for each in PHRASES if not any(each in cell for cell in left)] == []


def test_the_check_reads_sentences_and_not_docstrings() -> None:
    tree = ast.parse('"""After dead ends."""\nsaid = f"after {3} dead ends"\n')

    assert [private_words(text) for _, text in sentences(tree) if private_words(text)] == [["dead ends"]]


def test_modules_are_named_by_a_noun_of_the_field() -> None:
    found = [path for folder in (*FOLDERS, "lab") for path in (ROOT / folder).rglob("*.py") if path.stem in NAMELESS]

    assert found == []
    assert all(f"`{each}`" in PAGE for each in NAMELESS)


def test_every_place_of_the_map_is_there() -> None:
    page = (ROOT / "docs/map.md").read_text("utf-8")
    paths = re.findall(r"`((?:bot|flows|sensors|lab|docs|tests|helm)/[\w./-]*)`", page)

    assert len(paths) > 30
    assert [each for each in paths if not (ROOT / each).exists()] == []
