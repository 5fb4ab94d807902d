"""The triggers that there are: found by walking the folder, and pure."""

from __future__ import annotations

from pathlib import Path

import pytest

import bot.triggers
from bot.store import OriginKind
from bot.triggers.catalog import triggers
from bot.triggers.trigger import Nothing

FOLDER = Path(bot.triggers.__file__).parent


def test_every_module_with_a_trigger_is_found_and_has_a_test_of_its_name():
    modules = sorted(each.stem for each in FOLDER.glob("*.py") if "\nTRIGGER = " in each.read_text("utf-8"))

    assert modules == sorted(triggers())
    assert [each for each in modules if not (Path(__file__).parent / f"test_{each}.py").exists()] == []


def test_each_trigger_stands_for_one_origin():
    assert {each.origin for each in triggers().values()} == {
        OriginKind.SLASH,
        OriginKind.MENTION,
        OriginKind.SHORTCUT,
        OriginKind.FORM,
        OriginKind.ALERT,
    }


@pytest.mark.parametrize("payload", [{}, {"text": None}, {"text": 7}, {"state": {"values": {}}}, {"blocks": [[[]]]}])
def test_no_trigger_starts_anything_on_what_says_nothing(payload):
    said = {name: each.read(payload) for name, each in triggers().items()}

    assert isinstance(said["form"], Nothing)
    assert all(type(each).__name__ in ("Fill", "Nothing") for each in said.values())
