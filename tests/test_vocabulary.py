"""The words of docs/vocabulary.md: sentences for a person, docstrings, and the names of modules, classes and values."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/vocabulary.md").read_text("utf-8")
FOLDERS = ("bot", "flows", "sensors")
CODE = (*FOLDERS, "lab")

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

PRIVATE = frozenset({"door", "doors", "whisper", "whispers", "whispered"})
"""Words of the glossary's right column (§3) that no name, docstring or sentence has."""

ALONE = frozenset({"tried", "told", "world"})
"""Words of the same column that say too little as the whole name of a class."""

STORED = frozenset({"doors", "door"})
"""Names that are kept: `doors`, the key of the connections in every result, and `door`, a column of the store."""

SAME_NAME: dict[str, str] = {}
"""Classes that share a name on purpose, each with the reason."""

HEADLESS = re.compile(r"(What|Whether|Whom?|Whose|Where|How|Which|Why|When)\b")


@cache
def modules() -> dict[Path, ast.Module]:
    """The modules of the code by their path; generated ones are left out."""
    paths = (path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py")) if "pb" not in path.parts)
    return {path.relative_to(ROOT): ast.parse(path.read_text("utf-8")) for path in paths}


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names that a module gives: definitions, parameters, fields and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case, CamelCase or CAPITALS, in lower case."""
    return [each.lower() for each in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The public docstrings of a module, each with the name of what it is about."""
    yield "", ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, ast.get_docstring(node) or ""


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
        f"{path}:{line}: {private_words(text)}"
        for path, tree in modules().items()
        if path.parts[0] == folder
        for line, text in sentences(tree)
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


def test_no_name_has_a_private_word_of_the_glossary() -> None:
    found = [
        f"{path}:{line}: {name}"
        for path, tree in modules().items()
        for line, name in [(0, path.stem), *names(tree)]
        if name not in STORED and PRIVATE & set(words_of(name))
    ]

    assert found == []


def test_no_class_is_named_by_a_lone_word_that_says_too_little() -> None:
    found = [
        f"{path}: {name}"
        for path, tree in modules().items()
        for name in (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        if name.lower() in ALONE
    ]

    assert found == []


def test_no_docstring_and_no_sentence_has_a_private_word_of_the_glossary() -> None:
    said = re.compile(rf"\b(?:{'|'.join(sorted(PRIVATE))})\b")
    found = [
        f"{path}:{node.lineno}: {node.value[:60]}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in STORED
        if said.search(re.sub(r"`[^`]*`", "", node.value))
    ]

    assert found == []


def test_the_private_words_stand_in_the_glossary() -> None:
    forbidden = " ".join(line.split("|")[3] for line in PAGE.splitlines() if line.count("|") == 4)
    stems = {"door", "whisper"} | ALONE

    assert {each for each in stems if each not in forbidden} == set()


def test_each_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path))

    assert {name: paths for name, paths in places.items() if len(paths) > 1 and name not in SAME_NAME} == {}
    assert [name for name in SAME_NAME if len(places[name]) < 2] == []


def test_public_docstrings_begin_with_a_noun_or_a_verb() -> None:
    found = [
        f"{path}: {name}: {text.splitlines()[0]}"
        for path, tree in modules().items()
        for name, text in docstrings(tree)
        if HEADLESS.match(text)
    ]

    assert found == []


def test_a_name_is_read_word_by_word() -> None:
    assert words_of("OpenDoor") == words_of("open_door") == words_of("OPEN_DOOR") == ["open", "door"]
    assert words_of("outdoors") == ["outdoors"]
    assert [name for _, name in names(ast.parse("class A:\n    b: int\ndef c(d): e = 1"))] == ["A", "c", "b", "d", "e"]
