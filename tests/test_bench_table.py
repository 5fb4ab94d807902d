"""The table of speed: what is written where, and what cannot be measured is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import table
from bench.table import BEGIN, END, Figure, at_most, keep, measured


def test_a_figure_within_its_reach_is_reached_and_one_beyond_is_not() -> None:
    assert at_most("start", 2.5, " s", 3.0).row() == "| start | 2.50 s | ≤ 3 s | yes |"
    assert at_most("start", 3.5, " s", 3.0).row() == "| start | 3.50 s | ≤ 3 s | **no** |"


def test_a_figure_without_a_reach_is_neither() -> None:
    assert Figure("memory", "83 MB").row() == "| memory | 83 MB |  |  |"


def test_a_part_that_cannot_be_measured_says_why_and_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_go() -> list[Figure]:
        raise RuntimeError("there is no Go here\nand more")

    monkeypatch.setitem(table.PARTS, "flows", no_go)

    (row,) = measured("flows")

    assert (row.measured, row.good) == ("not measured: RuntimeError there is no Go here", False)


def test_a_new_table_takes_the_place_of_the_last_and_the_words_around_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(table, "README", readme)

    keep("new")

    assert readme.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_the_readme_has_a_place_for_the_table() -> None:
    text = table.README.read_text()

    assert text.count(BEGIN) == text.count(END) == 1
