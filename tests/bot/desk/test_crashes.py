"""`kill -9` at any moment: every investigation ends, and its verdict is said exactly once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.bot.desk.actors import MOMENTS
from tests.bot.desk.killing import Aftermath, Killer, aftermath
from tests.bot.store.postgres import new_database
from tests.kit.cases import case, expected, names, target_of


def truth() -> dict[str, set[str]]:
    """What may be said of each recorded pod."""
    known: dict[str, set[str]] = {}
    for name in names():
        said = expected(name)
        known[str(target_of(case(name)))] = {said["cause_class"], *(said.get("accept_classes") or ())}
    return known


def check(after: Aftermath, count: int) -> None:
    assert after.states == Counter(concluded=count)
    assert after.said == Counter(f"{it.id}.verdict" for it, _ in after.rows)
    assert all(verdict is not None for _, verdict in after.rows)
    assert {each.state.value for each in after.messages} == {"posted"}
    known = truth()
    assert {pod: causes for pod, causes in after.causes.items() if not causes <= known[pod]} == {}


def check_files(folder: Path) -> None:
    for name in ("kai.db", "kai-journal.db"):
        with sqlite3.connect(folder / name) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_twelve_investigations_survive_three_kills_at_the_worst_moments(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kai.db"

    Killer(url, tmp_path, 12, die=" ".join(MOMENTS)).run(0, within=600, seed=7)

    assert sorted(each.name for each in tmp_path.glob("died-*")) == sorted(f"died-{moment}" for moment in MOMENTS)
    check(asyncio.run(aftermath(url, tmp_path / "posts.jsonl")), 12)
    check_files(tmp_path)


@pytest.mark.crash
def test_four_hundred_investigations_survive_twenty_kills(tmp_path: Path) -> None:
    url, enough = f"sqlite:///{tmp_path}/kai.db", 400  # for twenty kills on a fast machine, too

    killed = Killer(url, tmp_path, enough, longest=5.0).run(20, within=600, seed=1)

    assert killed == 20
    check(asyncio.run(aftermath(url, tmp_path / "posts.jsonl")), enough)
    check_files(tmp_path)


@pytest.mark.crash
@pytest.mark.postgres
def test_two_replicas_take_over_from_each_other_and_say_everything_once(tmp_path: Path, postgres_server: str) -> None:
    url, enough = new_database(postgres_server), 400  # for twenty kills on a fast machine, too

    killed = Killer(url, tmp_path, enough, replicas=2, shortest=1.0, longest=5.0).run(20, within=900, seed=2)

    assert killed == 20
    check(asyncio.run(aftermath(url, tmp_path / "posts.jsonl")), enough)


@pytest.mark.crash
def test_an_investigation_that_kills_the_process_is_given_up_and_said_so_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kai.db"

    Killer(url, tmp_path, 6, poison=target_of(case(names()[2])).pod).run(0, within=120, seed=3)

    after = asyncio.run(aftermath(url, tmp_path / "posts.jsonl"))
    lost = [it.id for it, _ in after.rows if it.state.value == "lost"]
    assert after.states == Counter(concluded=5, lost=1)
    assert after.said == Counter(f"{it.id}.{'lost' if it.id in lost else 'verdict'}" for it, _ in after.rows)
