"""`kai history` and `kai show` on a database that was written a moment ago."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli import history
from bot.cli import show as show_command
from bot.commands.remembering import remember as remember_it
from bot.errors import CouldNotLook, UsageMistake
from bot.report.json_result import encode
from bot.report.outline import outline
from bot.report.short_report import short_report
from bot.report.text import render
from bot.store import Ceiling, InvestigationState
from bot.store.store import open_store
from tests.bot.report.examples import DENIED, HEALTHY, PATCH, UNDO
from tests.bot.store.words import NOW, ROWS, request

KEPT = {**encode(DENIED), "investigation_id": "abc1"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/kai.db"
    asyncio.run(remember(url))
    return url


async def remember(url: str) -> None:
    async with open_store(url) as store:
        await store.investigations.admit(request("api-server"), "abc1", NOW, Ceiling())
        await store.investigations.begin("abc1", NOW)
        await store.investigations.conclude("abc1", KEPT, ROWS, "verdict", NOW)
        await store.investigations.admit(request("web"), "abd2", NOW, Ceiling())
        await store.investigations.saw("abd2", ROWS[0], 1)
        await store.investigations.finish("abd2", InvestigationState.FAILED, "no way in\x1b[31m", "failed", NOW)


def say(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert history.main(list(words), standalone_mode=False) == 0
    return capsys.readouterr().out


def show(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert show_command.main(list(words), standalone_mode=False) == 0
    return capsys.readouterr().out


def test_the_list_names_what_was_asked_by_whom_and_what_came_of_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = sorted(say(capsys, "--database", url).splitlines())

    assert lines == [
        "abc1  2026-11-23 21:00Z  slash U1  prod/api-server → 10.96.0.1:443  "
        "policy.egress_denied 94% NetworkPolicy production/strict-egress",
        "abd2  2026-11-23 21:00Z  slash U1  prod/web → 10.96.0.1:443         failed: no way in",
    ]


def test_no_more_is_listed_than_was_asked_for(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(json.loads(say(capsys, "--database", url, "--limit", "1", "-o", "json"))) == 1


def test_the_list_can_be_of_one_namespace(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(json.loads(say(capsys, "--database", url, "-n", "prod", "-o", "json"))) == 2
    assert say(capsys, "--database", url, "-n", "elsewhere") == "Nothing is remembered yet.\n"


def test_a_verdict_is_told_again_in_the_words_of_the_report(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    short, whole = show(capsys, "abc", "--database", url), show(capsys, "abc", "-v", "--database", url)

    assert short == render(short_report(DENIED, remembered=True)).replace(DENIED.investigation_id, "abc1")
    assert whole == render(outline(DENIED, verbose=True)).replace(DENIED.investigation_id, "abc1")


def test_the_commands_of_a_fix_and_of_its_undoing_come_alone_for_a_shell(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(capsys, "abc1", "--fix", "--database", url) == f"{PATCH}\n"
    assert show(capsys, "abc1", "--undo", "--database", url) == f"{UNDO}\n"


def test_where_nothing_is_proposed_there_is_no_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kai.db"
    remember_it(HEALTHY, url, NOW)

    with pytest.raises(UsageMistake, match="proposes no change"):
        show_command.main([HEALTHY.investigation_id, "--fix", "--database", url], standalone_mode=False)


def test_what_a_terminal_asked_is_kept_whole_and_nothing_is_owed_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/kai.db"
    remember_it(DENIED, url, NOW)

    kept = json.loads(show(capsys, DENIED.investigation_id, "-o", "json", "--database", url))

    assert kept == json.loads(json.dumps(encode(DENIED)))
    assert asyncio.run(owed(url)) == ()


async def owed(url: str) -> tuple[object, ...]:
    async with open_store(url) as store:
        return await store.messages.due(NOW + timedelta(days=400))


def test_what_cannot_be_kept_is_said_and_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kai.db").write_text("not a database, but long enough to be looked at as if it were one")

    remember_it(DENIED, f"sqlite:///{tmp_path}/kai.db", NOW)

    assert capsys.readouterr().err.startswith("kai: not kept for kai history: the database cannot be used: ")


def test_the_json_is_the_published_result_and_nothing_a_terminal_obeys(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = show(capsys, "abc1", "--database", url, "-o", "json")

    assert json.loads(told) == json.loads(json.dumps(KEPT))
    assert told.replace("\n", " ").isprintable()


@pytest.mark.parametrize("output", ["text", "markdown"])
def test_without_a_verdict_what_was_seen_until_then_is_told(
    url: str, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    told = show(capsys, "abd2", "--database", url, "-o", output).replace("\\", "")

    assert told == "prod/web: failed, no way in; there is no verdict.\n- E1 hubble.capture_flows: 847 drops\n"


@pytest.mark.parametrize(("word", "why"), [("zzz", r"^no investigation 'zzz'"), ("ab", r"^'ab' may be abc1, abd2: ")])
def test_an_id_that_names_none_or_several_is_a_mistake_said_in_one_line(url: str, word: str, why: str) -> None:
    with pytest.raises(UsageMistake, match=why):
        show_command.main(["--database", url, word], standalone_mode=False)


def test_asking_for_the_past_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageMistake, match=r"^nothing is remembered yet: "):
        history.main(["--database", f"sqlite:///{tmp_path}/none.db"], standalone_mode=False)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kai.db").write_text("not a database, but long enough to be looked at as if it were one")

    with pytest.raises(CouldNotLook, match=r"^the database cannot be used: [^\n]+$"):
        history.main(["--database", f"sqlite:///{tmp_path}/kai.db"], standalone_mode=False)
