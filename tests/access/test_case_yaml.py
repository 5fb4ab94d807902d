"""YAML as kubectl writes it is read as PyYAML reads it, and everything else by PyYAML itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sensors.access.case_yaml import documents_in
from tests.kit.cases import SHELVES

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RECORDED = sorted(file for shelf in SHELVES[:2] for file in shelf.glob("*/objects/*.yaml"))
WORDS = st.text(st.sampled_from("0123456789.-+:_eExXtrufalsenoYN~<=!&*|>#'\"{}[],%@ \n"), max_size=12)


def pyyaml(text: str) -> list[Any]:
    return [each for each in yaml.load_all(text, LOADER) if each is not None]


def told(read: Any, text: str) -> str:
    """What comes of a text: its values with their types, or what is wrong with it."""
    try:
        return repr(read(text))
    except (yaml.YAMLError, ValueError, TypeError) as why:
        return f"{type(why).__name__}: {why}"


@pytest.mark.parametrize("file", RECORDED[::9], ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_recorded_objects_are_read_as_pyyaml_reads_them_and_none_may_hold_an_alias(file: Path) -> None:
    text = file.read_text("utf-8")

    assert documents_in(text) == (pyyaml(text), False)


@given(WORDS)
@example("2026-11-23T21:17:32Z")
@example("2026-99-99")
@example("0o17 017 0x1F 1_000 1e3 .5 1:30 .inf")
@example("yes")
@example("=")
@example("<<")
def test_any_scalar_is_what_pyyaml_says_it_is(word: str) -> None:
    for text in (f"a: {word}\n", f"- {word}\n", f"{word}: 1\n", f"{word}"):
        assert told(lambda text: documents_in(text)[0], text) == told(pyyaml, text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.datetimes(),
                    lambda inside: st.lists(inside) | st.dictionaries(WORDS, inside), max_leaves=12))  # fmt: skip
def test_any_value_that_is_written_comes_back(value: Any) -> None:
    documents, _ = documents_in(yaml.safe_dump(value))

    assert documents == ([] if value is None else [value])


@pytest.mark.parametrize(
    "text",
    [
        "a: &one {b: 1}\nc: *one\n",
        "a: &one {b: 1}\nc: {<<: *one, d: 2}\n",
        "a: !!binary aGVsbG8=\nb: !!set {x, y}\n",
        "a: !!str 12\n",
        "? [1, 2]\n: x\n",
        "? {a: 1}\n: x\n",
        "a: !mine x\n",
        "a: [1\n",
        "a: b: c\n",
        "\x00",
    ],
)
def test_what_kubectl_never_writes_is_left_to_pyyaml_with_its_words(text: str) -> None:
    assert told(lambda text: documents_in(text)[0], text) == told(pyyaml, text)


def test_only_a_text_with_an_anchor_may_hold_an_alias() -> None:
    assert documents_in("a: {b: [1, x]}\n---\nc: 2026-11-23T21:17:32Z\n") == (
        [{"a": {"b": [1, "x"]}}, {"c": datetime(2026, 11, 23, 21, 17, 32, tzinfo=UTC)}],
        False,
    )
    assert documents_in("a: &one [1]\nb: *one\n") == ([{"a": [1], "b": [1]}], True)


def test_what_was_read_before_is_not_shared() -> None:
    first, second = documents_in("a: [x]\n")[0], documents_in("a: [x]\n")[0]
    first[0]["a"].append("more")

    assert second == [{"a": ["x"]}]
