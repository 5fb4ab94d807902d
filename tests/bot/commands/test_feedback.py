"""`kai history --feedback`: where a maintainer reads what people say was wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot.cli import run
from bot.store import Feedback, Opinion
from bot.store.store import open_store
from tests.bot.commands.test_ask import kept
from tests.bot.report.examples import DENIED
from tests.bot.store.words import NOW


def with_opinion(tmp_path: Path, words: str) -> str:
    url = kept(tmp_path, DENIED)

    async def keep() -> None:
        async with open_store(url) as store:
            await store.opinions.keep(Feedback("abc1", "U0BOB", Opinion.WRONG, words, NOW))

    asyncio.run(keep())
    return url


def test_who_says_what_was_wrong_stands_beside_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = with_opinion(tmp_path, "cause: the firewall\x1b[31m of lab2")

    assert run(["history", "--feedback", "--database", url]) == 0

    said = capsys.readouterr().out
    assert "abc1" in said
    assert "U0BOB" in said
    assert "wrong" in said
    assert "policy.egress_denied NetworkPolicy production/strict-egress" in said
    assert "cause: the firewall" in said
    assert "\x1b" not in said


def test_for_a_program_it_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "--feedback", "-o", "json", "--database", with_opinion(tmp_path, "no")]) == 0

    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["investigation_id"], entry["opinion"], entry["words"]) == ("abc1", "wrong", "no")


def test_where_nobody_has_an_opinion_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "--feedback", "--database", kept(tmp_path, DENIED)]) == 0

    assert capsys.readouterr().out == "Nobody has said what they think of a verdict yet.\n"
