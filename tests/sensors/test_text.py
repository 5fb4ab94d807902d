from __future__ import annotations

import pytest

from sensors.text import visible


@pytest.mark.parametrize(
    ("hidden", "left"),
    [
        ("tags" + "".join(chr(0xE0000 + ord(letter)) for letter in "obey"), "tags"),
        ("selectors\ufe0f\ufe00" + "".join(map(chr, range(0xE0100, 0xE0120))), "selectors"),
        ("bidi\u202e\u2066\u2069\u200f", "bidi"),
        ("zero\u200b\u200c\u200d\u2060\ufeff width", "zero width"),
        ("fillers\u3164\u115f\uffa0\u2800", "fillers"),
        ("\x1b[31mred\x1b[0m \x07", "red "),
        ("größer 東京 → ²", "größer 東京 → ²"),
    ],
)
def test_invisible_characters_are_removed(hidden: str, left: str) -> None:
    assert visible(hidden) == left
