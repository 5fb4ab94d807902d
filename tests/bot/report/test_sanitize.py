from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.report.sanitize import clean, clean_command, escape_markdown


@pytest.mark.parametrize(
    ("dirty", "washed"),
    [
        ("plain words", "plain words"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("nul\x00 bell\x07 delete\x7f", "nul bell delete"),
        ("left\u202eright\u2066 zero\u200bwidth", "leftright zerowidth"),
        ("naïve → größer 東京", "naïve → größer 東京"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_only_what_a_person_can_see_is_left(dirty: str, washed: str) -> None:
    assert clean(dirty) == washed


def test_what_is_too_long_is_cut_and_the_rest_counted() -> None:
    assert clean("x" * 30, 10) == "xxxxxxxxxx… (20 more characters)"


def test_a_command_keeps_its_lines_and_loses_its_tricks() -> None:
    assert clean_command("kubectl apply -f - <<'EOF'\r\na: 1\x1b[8m\nEOF\n") == "kubectl apply -f - <<'EOF'\na: 1\nEOF"


def test_half_a_command_is_never_shown() -> None:
    assert clean_command("k" * 30_000) == "# the command is 30000 characters long: take it from `-o json`"


@given(st.text())
def test_washing_twice_is_washing_once(text: str) -> None:
    once = clean(text, 10_000)

    assert clean(once, 10_000) == once
    assert "\x1b" not in once
    assert "\n" not in once


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("egress[2] of *all* `pods`", r"egress\[2\] of \*all\* \`pods\`"),
        ("nf_conntrack_max stays", "nf_conntrack_max stays"),
        ("_emphasis_", r"\_emphasis\_"),
        ("<script> & </script>", r"\<script\> \& \</script\>"),
        ("a | b", r"a \| b"),
        ("1. a list", r"1\. a list"),
        ("- a list", r"\- a list"),
        ("go to https://evil.test", r"go to https:\//evil.test"),
        ("@channel look", "@\u200bchannel look"),
        ("web@sha256:abc", "web@sha256:abc"),
        ("10.96.0.1:443", "10.96.0.1:443"),
    ],
)
def test_nothing_from_a_cluster_becomes_markdown(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped
