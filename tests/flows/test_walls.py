"""The rooms of thinking and reporting import at the top of a file only: so import-linter sees every import there is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("flows", "bot/report") for path in (ROOT / room).rglob("*.py"))


OURS = ("bot", "flows", "sensors", "lab")


def hidden_imports(text: str) -> list[int]:
    """The lines where our own modules are imported inside functions."""
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = (each for function in functions for each in ast.walk(function))
    return [each.lineno for each in inside if any(name.split(".")[0] in OURS for name in imported(each))]


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    assert hidden_imports(path.read_text("utf-8")) == []


def test_the_check_itself_notices_one() -> None:
    assert hidden_imports("import json\ndef walk():\n    from flows import verdict\n    return verdict\n") == [3]
