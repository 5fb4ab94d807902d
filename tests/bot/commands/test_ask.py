"""`kai ask` and `kai show --brief` on a database that was written a moment ago."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import run
from bot.report.json_result import encode
from bot.store import Ceiling
from bot.store.store import open_store
from flows.model import Diagnosis, Explanation
from tests.bot.report.examples import DENIED
from tests.bot.store.words import NOW, ROWS, request


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "KAI_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def kept(tmp_path: Path, it: Diagnosis) -> str:
    url = f"sqlite:///{tmp_path}/kai.db"
    asyncio.run(_keep(url, it))
    return url


async def _keep(url: str, it: Diagnosis) -> None:
    async with open_store(url) as store:
        await store.investigations.admit(request("api-server"), "abc1", NOW, Ceiling())
        await store.investigations.begin("abc1", NOW)
        await store.investigations.conclude("abc1", {**encode(it), "investigation_id": "abc1"}, ROWS, "verdict", NOW)


@pytest.mark.parametrize(
    ("question", "there"),
    [
        ("why?", "NetworkPolicy production/strict-egress does not let"),
        ("what did you not measure?", "net.mtu could not look"),
        ("show evidence E2", "847"),
        ("how sure are you?", "sure."),
        ("show fix", "kai show abc1 --fix"),
    ],
)
def test_the_answers_of_the_rules_need_no_key(
    question: str, there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "abc1", *question.split(), "--database", kept(tmp_path, DENIED)]) == 0

    said = capsys.readouterr().out
    assert there in said
    assert "*" not in said


def test_without_a_key_another_question_is_answered_by_one_line_with_what_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "abc1", "who", "wrote", "the", "poem?", "--database", kept(tmp_path, DENIED)]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Claude answers the rest, with ANTHROPIC_API_KEY" in error
    assert "Ask: who else is affected? · who can approve? · why?" in error


@pytest.mark.parametrize("words", [["nobody", "why?"], ["abc1"]])
def test_what_cannot_be_asked_is_said_in_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", *words, "--database", kept(tmp_path, DENIED)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_brief_is_shown_as_it_was_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = "Brief of one investigation.\n<data-1>\nx\n</data-1>\n"
    told = replace(DENIED, explanation=Explanation(sent=sent))

    assert run(["show", "abc1", "--brief", "--database", kept(tmp_path, told)]) == 0
    assert capsys.readouterr().out == sent


def test_where_claude_was_told_nothing_it_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "abc1", "--brief", "--database", kept(tmp_path, DENIED)]) == 2
    assert "Claude was told nothing" in capsys.readouterr().err
