"""The scoreboard itself: what counts as right, as never to be said, and as a wrong answer of `simulate --can`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.truth import REPORTED, ROOT, SHELVES, Row, ask, row_of, shortfalls, truths

CASE = "01-ipblock-any-calico"


def row(**changes: object) -> Row:
    usual: dict[str, object] = {
        "name": "a", "expected": "app.slow", "said": "app.slow", "component": "", "confidence": 0.9,
        "right": True, "object_right": None, "never": False,
    }  # fmt: skip
    return Row(**{**usual, **changes})  # type: ignore[arg-type]


def test_a_run_with_every_case_right_misses_no_floor() -> None:
    assert shortfalls([row()], REPORTED) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"right": False, "confidence": 0.3}, "right class 0.0% < 97%"),
        ({"right": False, "confidence": 0.85}, "confident and wrong: a"),
        ({"never": True}, "never to be said: a"),
        ({"can_wrong": True}, "wrong answer of --can: a"),
    ],
)
def test_each_way_to_fall_short_is_named(changes: dict[str, object], told: str) -> None:
    assert told in shortfalls([row(**changes)], REPORTED)


def test_a_case_is_held_against_its_truth(tmp_path: Path) -> None:
    truth = yaml.safe_load((ROOT / f"tests/reports/{CASE}.expected.yaml").read_text())
    (tmp_path / CASE).symlink_to(ROOT / "tests/reports" / CASE)
    file = tmp_path / f"{CASE}.expected.yaml"
    file.write_text(yaml.safe_dump({**truth, "cause_class": "dns.loop", "accept_classes": [], "never_classes": []}))
    assert not row_of(file).right
    assert row_of(ROOT / f"tests/reports/{CASE}.expected.yaml").clean


def test_a_usage_error_is_an_answer_of_its_own() -> None:
    code, out, err = ask("netdebug", "--case", "no-such-folder", "-o", "json")
    assert (code, out) == (2, "")
    assert "no such folder" in err


# -- the recordings of the project -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_shelf_is_within_reach(shelf: str) -> None:
    """As `make reports` prints it: classes, objects, confidence, the worst answers, and what `--can` says."""
    folders, reach = SHELVES[shelf]

    assert shortfalls([row_of(each) for each in truths(folders)], reach) == []
