"""`kill -9` around a call of Claude: it is never paid for twice, and everything is said once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bot.report.json_result import decode
from bot.store.store import open_store
from flows.model import Diagnosis
from tests.bot.desk.actors import read_posts
from tests.bot.explain.child import MOMENTS
from tests.flows.agent.answers import answer, is_asking
from tests.kit.messages_api import MessagesApi, asks, says, serving_beside

ROOT = Path(__file__).parents[3]
LOOK = asks("ask_sensor", sensor="net.conntrack_usage")
SAID = answer(("The connection table refused packets.", ["E7"]), cause_class="conntrack.full")


def run(url: str, folder: Path, api: MessagesApi, moment: str) -> None:
    """Starts the desk until everything is said; it dies once on the way."""
    command = [sys.executable, "-m", "tests.bot.explain.child", url, str(folder), api.url]
    codes = []
    while not (folder / "done").exists():
        with (folder / "log").open("ab") as log:
            surroundings = {**os.environ, "DIE": moment}
            codes.append(
                subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=surroundings, timeout=240).returncode
            )
        assert len(codes) < 4, (folder / "log").read_text(errors="replace")[-3000:]
    assert codes == [-9, 0]


async def kept(url: str) -> Diagnosis:
    async with open_store(url) as store:
        ((it, _),) = await store.investigations.recent()
        verdict = await store.investigations.verdict(it.id)
        assert verdict is not None
        return decode(verdict.result)


@pytest.mark.slow  # two or three whole processes each, with the SDK's import
@pytest.mark.parametrize("moment", MOMENTS)
def test_no_call_is_paid_for_twice_and_everything_is_said_once(moment: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kai.db"
    slow = says(SAID)
    api = MessagesApi(script=lambda body: LOOK if is_asking(body) else slow)
    if moment == "in-the-call":
        api.script = lambda body: (
            asks("ask_sensor", sensor="net.conntrack_usage").later(2.0) if is_asking(body) else slow
        )

    with serving_beside(api):
        run(url, tmp_path, api, moment)

    sent = Counter(is_asking(body) for body in api.requests)
    roles = Counter(each["role"] for each in read_posts(tmp_path / "posts.jsonl"))
    after = asyncio.run(kept(url))
    assert max(sent.values()) == 1, "a call went out twice"
    assert set(roles.values()) == {1}
    assert after.explanation is not None
    if moment == "in-the-call":  # nobody knows what it answered, and it is not paid for again
        assert "no call is paid for twice" in after.explanation.failed
        assert after.cause_class == "inconclusive"
    else:
        assert (after.cause_class, after.decided_by) == ("conntrack.full", "rules+claude")
        assert roles["asked.1"] == 1
